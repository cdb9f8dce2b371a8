"""Steps that do not end: what stuck ranks tell, and which rank the others wait for. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from launcher.errors import LauncherError

COLLECTIVES = ("torch/distributed/", "deepspeed/comm/", "launcher/train/agree.py")
"""Parts of paths of files that wait for other ranks and do nothing else."""
JOINED = (
    ("torch/autograd/graph.py", "_engine_run_backward"),
    ("torch/nn/utils/clip_grad.py", ""),
    ("torch/cuda/", "synchronize"),
    ("launcher/train/engines/", "step"),
)
"""Files and functions (any where empty) that compute, and wait for other ranks too: an idle rank waits in them."""
IDLE = 0.3
"""Share of one core's time below which a process does not compute."""
ASIDE = ("launcher/train/saving.py", "launcher/train/milestones.py")
"""Files whose work between two steps is no part of a step."""
SHOWN = 6
"""Innermost frames of a stack that are shown in a line."""


class Hung(LauncherError):
    """A step did not end in the time that it had."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One call of a Python stack."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{'/'.join(self.file.split('/')[-2:])}:{self.line} {self.function}"


@dataclass(frozen=True, slots=True)
class Stuck:
    """A rank's word on a step that takes too long."""

    rank: int
    host: str
    step: int
    seconds: float
    """Since the step before it."""
    usual_s: float
    """The median of the latest steps."""
    busy: float
    """Share of one core's time that the process used of late; above 1 with several threads."""
    stack: tuple[Frame, ...]
    """Of the thread that trains, the outermost call first."""

    @property
    def waits(self) -> bool:
        """Whether it does nothing but wait for other ranks."""
        innermost = self.stack[-1] if self.stack else Frame("", 0, "")
        if any(part in innermost.file for part in COLLECTIVES):
            return True
        joined = any(
            part in frame.file and function in frame.function for frame in self.stack for part, function in JOINED
        )
        return joined and self.busy < IDLE

    @property
    def where(self) -> str:
        """The innermost calls, in a line."""
        return " < ".join(str(frame) for frame in reversed(self.stack[-SHOWN:]))


@dataclass(frozen=True, slots=True)
class Suspects:
    """Whom a stuck step hangs on, as far as it can be told."""

    silent: tuple[int, ...]
    """Ranks that said nothing: they stand still as a whole, or their machine does."""
    busy: tuple[int, ...]
    """Ranks that do something else than wait for the others."""


def suspects(reports: Mapping[int, Stuck], world: int) -> Suspects:
    """From what each rank said last; nobody where all wait for one another."""
    silent = tuple(rank for rank in range(world) if rank not in reports)
    return Suspects(silent, tuple(sorted(rank for rank, each in reports.items() if not each.waits)))


def stuck_line(reports: Mapping[int, Stuck], world: int, hosts: Mapping[int, str]) -> str:
    """What is known of a stuck step, in one line.

    Args:
        reports: One at least.
        hosts: Of the ranks, where they are known.
    """
    longest = max(reports.values(), key=lambda each: each.seconds)
    found = suspects(reports, world)
    said = [f"{_named(found.silent, hosts)} not heard of"] if found.silent else []
    said += [f"{_named([rank], hosts)} in {reports[rank].where}" for rank in found.busy]
    if not said:
        said = [f"every rank waits for the others, rank {longest.rank} in {longest.where}"]
    usual = f" ({longest.usual_s:.2g} s as a rule)" if longest.usual_s else ""
    return f"step {longest.step:,} has taken {longest.seconds:.0f} s{usual}: {'; '.join(said)}"


def aside(stack: Sequence[Frame]) -> bool:
    """Whether a thread does what is no part of a step, such as evaluate or save."""
    return any(frame.file.endswith(ASIDE) for frame in stack)


def _named(ranks: Iterable[int], hosts: Mapping[int, str]) -> str:
    return ", ".join(f"rank {rank} on {hosts[rank]}" if rank in hosts else f"rank {rank}" for rank in ranks)

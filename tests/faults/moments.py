"""When a process is killed: the phases of a run, and how each is seen from outside as it begins."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from launcher.chaos.processes import Processes, gradients, kill, snapshot_begun
from tests.faults.gate import Gate, Side
from tests.faults.trial import Attempt, Trial

Victim = Literal["worker", "driver", "uploader"]
REQUESTS: dict[str, tuple[str, Side]] = {
    "fetch of data": (r"^GET .*/datasets/.*/shards/", "before"),
    "fetch of a commit": (r"^GET .*/checkpoints/.*/rank-\d+\.safetensors", "before"),
    "rank file": (r"^PUT .*/checkpoints/.*/rank-\d+\.safetensors", "before"),
    "rank file's answer": (r"^PUT .*/checkpoints/.*/rank-\d+\.safetensors", "after"),
    "part": (r"^PUT .*/checkpoints/.*partNumber=", "before"),
    "completion of parts": (r"^POST .*/checkpoints/.*uploadId=", "before"),
    "receipt": (r"^PUT .*/checkpoints/.*/rank-\d+\.json", "before"),
    "manifest": (r"^PUT .*/checkpoints/.*/MANIFEST\.json", "before"),
    "manifest's answer": (r"^PUT .*/checkpoints/.*/MANIFEST\.json", "after"),
    "entry": (r"^PUT .*/journal/", "before"),
    "entry's answer": (r"^PUT .*/journal/", "after"),
    "model": (r"^PUT .*/model/model\.safetensors|^PUT .*/model/adapter_model\.safetensors", "before"),
}
"""Phases in an object store, by the request that a gate holds."""
FILES = {
    "write of a rank file": "checkpoints/*/.tmp-*",
    "receipt written": "checkpoints/*/rank-*.json",
    "manifest written": "checkpoints/*/MANIFEST.json",
    "entry written": "journal/*.json",
    "model written": "model/*.safetensors",
}
"""Phases on a disk, by the file that appears."""
AT_START = ("fetch of data", "fetch of a commit")
"""What is over when training begins."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The n-th time that a phase begins, from when it is waited for."""

    phase: str
    victim: Victim
    number: int = 1

    def __str__(self) -> str:
        return f"{self.victim:<8}  {self.phase} {self.number}"


def reach(moment: Moment, trial: Trial, attempt: Attempt, gate: Gate | None) -> Processes | None:
    """Wait for a moment; gives the processes as they were shortly before, or None where the command ended first."""
    held = None
    if moment.phase in REQUESTS:
        assert gate is not None
        held = gate.hold(*REQUESTS[moment.phase], moment.number)
    there = Processes.of(attempt.driver) if moment.phase in AT_START else attempt.until_training()
    reached = held.reached.is_set if held is not None else _watch(moment, trial, there)
    if not attempt.until(reached):
        return None
    return Processes.of(attempt.driver) if moment.phase in AT_START else there


def strike(moment: Moment, attempt: Attempt, there: Processes) -> None:
    """Kill, at once."""
    if moment.victim == "driver":
        attempt.kill_all(there)
    elif moment.victim == "uploader":
        assert there.uploader is not None
        kill(there.uploader)
    else:
        kill(there.workers[moment.number % len(there.workers)])


def _watch(moment: Moment, trial: Trial, there: Processes) -> Callable[[], bool]:
    if moment.phase == "backward":
        return gradients(there.workers[0], moment.number)
    if moment.phase == "snapshot":
        return lambda: snapshot_begun(there.workers[-1])
    folder, pattern = Path(trial.store.location), FILES[moment.phase]
    known = set(folder.glob(pattern))
    return lambda: len(set(folder.glob(pattern)) - known) >= moment.number

"""What is asked of each side: a run of 60 steps that saves every 5, started again after whatever happened to it."""

import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

STEPS, SAVE_STEPS = 60, 5
ROWS, LENGTH, BATCH = 240, 128, 4
RATE, SEED = 1e-3, 1
AIMED_S = 0.15
"""How long after a save begins an aimed kill comes, at the most."""
Damage = tuple[str, Callable[[Path], None]]
"""What is done to the newest checkpoint's folder, in words and in deed."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a run is killed: at a share of the time from one save to the next, or shortly after a save has begun."""

    save: int
    share: float
    aimed: bool

    def seconds(self, interval: float) -> float:
        return self.share * (AIMED_S if self.aimed else interval)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said last."""

    code: int
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    how: Literal["same", "elsewhere", "crashed"]
    """Ended with the undisturbed run's weights, with others, or not at all."""
    said: str


class Side(Protocol):
    """A trainer."""

    name: str
    damages: Sequence[Damage]

    def run(self, folder: Path) -> Ended:
        """Start a run in a folder, or go on with it, to the end."""

    def killed(self, folder: Path, moment: Moment, interval: float) -> None:
        """Start a run and kill it at a moment."""

    def newest(self, folder: Path) -> Path:
        """Its newest complete checkpoint."""

    def weights(self, folder: Path) -> bytes:
        """Of a run that has ended."""


def moments(aimed: int, others: int) -> list[Moment]:
    """Kills at the second to tenth save, drawn by a seed."""
    drawn = random.Random(SEED)
    return [Moment(drawn.randint(2, 10), drawn.random(), number < aimed) for number in range(aimed + others)]


def judge(side: Side, folder: Path, undisturbed: bytes) -> Verdict:
    """Go on with a run, and see where it ends."""
    ended = side.run(folder)
    if ended.code:
        return Verdict("crashed", ended.said)
    return Verdict("same" if side.weights(folder) == undisturbed else "elsewhere", ended.said)


def deleted(name: str) -> Damage:
    return f"{name} deleted", lambda folder: (folder / name).unlink()


def cut(name: str) -> Damage:
    def half(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return f"{name} cut in half", half


def emptied(name: str) -> Damage:
    return f"{name} empty", lambda folder: (folder / name).write_bytes(b"")


def flipped(name: str) -> Damage:
    def flip(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[-5] ^= 0x40  # in the last number, near its exponent
        (folder / name).write_bytes(content)

    return f"{name}, one bit flipped", flip


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to

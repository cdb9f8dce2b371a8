"""How often to save, and what to do where the last save is still on its way."""

import math
from dataclasses import dataclass, field
from typing import Literal


def daly_s(cost: float, mtbf: float) -> float:
    """The best time between saves, in seconds.

    Young's first order is sqrt(2 cost mtbf) (https://doi.org/10.1145/361147.361115); this is Daly's higher order
    (https://doi.org/10.1016/j.future.2004.11.016, equation 37), which holds where failures are frequent too.

    Args:
        cost: Seconds by which a save delays the training.
        mtbf: Mean time between failures of the whole job, in seconds.
    """
    if cost >= 2 * mtbf:
        return mtbf
    ratio = math.sqrt(cost / (2 * mtbf))
    return math.sqrt(2 * cost * mtbf) * (1 + ratio / 3 + ratio**2 / 9) - cost


def interval_s(stall: float, upload: float, mtbf: float, budget: float = 0.01) -> float:
    """Seconds between saves: Daly's, but no more often than the budget and the upload allow.

    Args:
        stall: Seconds that the loop waits for a snapshot.
        upload: Seconds from snapshot to commit. One save is on its way at a time.
        budget: Largest share of the wall time that saving may take.
    """
    return max(daly_s(stall, mtbf), stall / budget, upload)


@dataclass(frozen=True, slots=True)
class EverySteps:
    steps: int

    def due(self, steps: int, seconds: float, stall: float, upload: float) -> bool:
        """Whether to save, so many steps and seconds after the last save began, with costs as last measured."""
        return steps >= self.steps


@dataclass(frozen=True, slots=True)
class EveryMinutes:
    minutes: float

    def due(self, steps: int, seconds: float, stall: float, upload: float) -> bool:
        return seconds >= 60 * self.minutes


@dataclass(frozen=True, slots=True)
class Auto:
    """By what saving costs. The first save comes at once, to measure it."""

    mtbf: float
    """Of the whole job, in seconds: a node's, divided by the number of nodes."""
    budget: float = 0.01

    def due(self, steps: int, seconds: float, stall: float, upload: float) -> bool:
        return steps > 0 and seconds >= interval_s(stall, upload, self.mtbf, self.budget)


When = EverySteps | EveryMinutes | Auto
"""Times differ from rank to rank: one decides for all."""


@dataclass(slots=True)
class BackPressure:
    """One snapshot is on its way at a time: a save that finds it so is skipped, and after so many the loop waits.

    The same on every rank, if all are told the same.
    """

    patience: int = 3
    """Skips in a row."""
    skipped: int = field(default=0, init=False)
    """In all."""
    _row: int = field(default=0, init=False)

    def decide(self, *, busy: bool) -> Literal["save", "skip", "wait"]:
        """What to do about a save that is due; `busy` if any rank is."""
        if not busy:
            self._row = 0
            return "save"
        if self._row >= self.patience:
            self._row = 0
            return "wait"
        self._row += 1
        self.skipped += 1
        return "skip"

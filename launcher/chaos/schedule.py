"""Which faults happen when: a pure function of the seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.chaos.faults import FAULTS
from launcher.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Planned:
    fault: str
    """Of the table."""
    after: float
    """When, from where the training begins or the fault before struck: a share of what the undisturbed run trained."""
    choice: int
    """Chooses the victim where there are several."""


def schedule(faults: Sequence[str], count: int, seed: int) -> list[Planned]:
    """So many faults, each kind as often as the others give or take one, so close that all find a run that trains.

    Raises:
        InvalidInput: a fault that is not in the table, or none.
    """
    unknown = [each for each in faults if each not in FAULTS]
    if unknown or not faults:
        told = f"unknown fault {unknown[0]!r}" if unknown else "no faults"
        raise InvalidInput(f"--faults: {told}; there are {', '.join(FAULTS)}")
    if count < 1:
        raise InvalidInput(f"--count: {count} faults are none; give 1 or more")
    drawn = random.Random(seed)
    kinds = [faults[number % len(faults)] for number in range(count)]
    drawn.shuffle(kinds)
    return [Planned(kind, drawn.uniform(0.1, 0.9) / (count + 1), drawn.randrange(2**16)) for kind in kinds]

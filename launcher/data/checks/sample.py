"""Rows to look at: all of few, and a seeded sample of many."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.data.rows import Row

ENCODED = 2_000
"""Rows that are turned into tokens, at the most."""
SEED = 0


@dataclass(frozen=True, slots=True)
class Sample:
    rows: Sequence[Row]
    """In the order of a draw: the first few are as good a sample as all."""
    of: int
    """Rows that there are."""


def draw(rows: Sequence[Row], most: int = ENCODED) -> Sample:
    """The same rows at every call."""
    places = random.Random(SEED).sample(range(len(rows)), min(most, len(rows)))
    return Sample([rows[place] for place in places], len(rows))

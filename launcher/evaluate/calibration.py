"""Whether a model is right as often as it is sure."""

from collections.abc import Sequence
from dataclasses import dataclass

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose confidence lies within (low, high]; fractions of 1."""

    low: float
    high: float
    rows: int
    confidence: float
    """Mean probability of the predicted label; 0 where no row is here."""
    accuracy: float
    """Share of the rows whose predicted label is the true one; 0 where no row is here."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error, and the bins it was taken over."""

    error: float
    """Mean of |accuracy - confidence| over the bins, weighted by their rows."""
    bins: tuple[Bin, ...]


def calibration(confidences: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Over 15 bins of equal width, as in Guo et al. (2017), https://arxiv.org/abs/1706.04599.

    Args:
        confidences: The probability that each row's predicted label was given, 0 to 1; at least one row.
        right: Whether it is the true label.
    """
    filled: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    edges = [place / BINS for place in range(BINS + 1)]
    for confidence, correct in zip(confidences, right, strict=True):
        place = next(place for place in range(BINS) if confidence <= edges[place + 1] or place == BINS - 1)
        filled[place].append((confidence, correct))
    bins = tuple(_bin(edges[place], edges[place + 1], rows) for place, rows in enumerate(filled))
    error = sum(each.rows * abs(each.accuracy - each.confidence) for each in bins) / len(confidences)
    return Calibration(error, bins)


def _bin(low: float, high: float, rows: Sequence[tuple[float, bool]]) -> Bin:
    count = max(len(rows), 1)
    return Bin(low, high, len(rows), sum(each for each, _ in rows) / count, sum(each for _, each in rows) / count)

"""Intervals of scores that have no formula of their own: rows are drawn again, and the score is taken of each draw.

The percentile bootstrap of Efron (1979), doi:10.1214/aos/1176344552. Draws come from a fixed seed, so the same rows
have the same interval wherever and in whatever order they were scored.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Floats = NDArray[float64]

DRAWS = 1000
AT_ONCE = 50
"""Draws held in memory together."""
SEED = 0


class Interval(NamedTuple):
    """The middle 95 % of what the draws scored."""

    low: float
    high: float


def f1_intervals(confusion: Sequence[Sequence[int]]) -> tuple[Interval, Interval]:
    """Intervals of macro and weighted F1.

    Both are functions of the confusion matrix alone, and rows drawn with replacement fill its cells as a multinomial
    distribution does: so cells are drawn and not rows.

    Args:
        confusion: (labels, labels) rows counted by true and predicted label; at least one.
    """
    import numpy as np

    counts = np.asarray(confusion, dtype=float)
    true, predicted = counts.nonzero()
    each = np.eye(len(counts))
    macro, weighted = [], []
    for drawn in _draws(counts[true, predicted]):
        support, given = drawn @ each[true], drawn @ each[predicted]
        right = (drawn * (true == predicted)) @ each[true]
        f1 = 2 * right / np.maximum(support + given, 1.0)  # a label in no row scores 0, as in the metrics
        macro.append(f1.mean(1))
        weighted.append((f1 * support).sum(1) / support.sum(1))
    return _middle(np.concatenate(macro)), _middle(np.concatenate(weighted))


def ratio_interval(amounts: Sequence[float], weights: Sequence[float]) -> Interval:
    """The interval of sum(amounts) / sum(weights) over rows, such as a loss a token.

    Args:
        amounts: One a row, at least one.
        weights: One a row, all above 0.
    """
    import numpy as np

    rows, over = np.asarray(amounts, dtype=float), np.asarray(weights, dtype=float)
    ratios = [(drawn @ rows) / (drawn @ over) for drawn in _draws(np.ones(len(rows)))]
    return _middle(np.concatenate(ratios))


def _draws(counts: "Floats") -> Iterator["Floats"]:
    """(draws, cells): how often each cell comes up when as many rows as there are get drawn with replacement."""
    import numpy as np

    random, rows = np.random.default_rng(SEED), int(counts.sum())
    for _ in range(DRAWS // AT_ONCE):
        yield random.multinomial(rows, counts / rows, size=AT_ONCE).astype(float)


def _middle(scores: "Floats") -> Interval:
    import numpy as np

    low, high = np.quantile(scores, (0.025, 0.975))
    return Interval(float(low), float(high))

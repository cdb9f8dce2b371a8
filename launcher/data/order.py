"""Which rows a step takes: a pure function of seed and step, whatever the number of ranks."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

MEGABATCH = 50
"""Steps whose rows are sorted by length together, at the most; a quarter of an epoch's, as in transformers."""


class Lengths:
    """Tokens of each row. One object stands for one list of lengths: it is compared by identity."""

    def __init__(self, tokens: Sequence[int] | npt.NDArray[np.int64]) -> None:
        self.tokens = np.asarray(tokens, dtype=np.int64)


@lru_cache(maxsize=2)
def epoch_order(rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of `rows` row numbers, keyed by (seed, epoch)."""
    key = np.array([seed % 2**64, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).permutation(rows)


@lru_cache(maxsize=2)
def grouped_order(lengths: Lengths, global_batch: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """`epoch_order`, sorted from long to short inside megabatches of many steps, with the longest row of all first.

    So rows of a step are of like length, steps still come in mixed order, and memory runs out at once or never.
    """
    tokens = lengths.tokens
    order = epoch_order(len(tokens), seed, epoch)
    size = global_batch * max(1, min(len(tokens) // (4 * global_batch), MEGABATCH))
    grouped = order[np.lexsort((-tokens[order], np.arange(len(order)) // size))]
    longest = int(np.argmax(tokens[grouped]))
    grouped[[0, longest]] = grouped[[longest, 0]]
    return grouped


def step_rows(
    step: int, global_batch: int, rows: int, seed: int, total: int, *, lengths: Lengths | None = None
) -> list[int]:
    """Row numbers of optimiser step `step`, counted from 0.

    Epochs follow each other in one stream, and the last step of a run takes what is left of its `total` rows.

    Args:
        lengths: Groups rows by length where it is given.
    """
    first = step * global_batch
    last = min(first + global_batch, total)
    taken: list[int] = []
    while first < last:
        epoch, begin = divmod(first, rows)
        end = min(rows, begin + last - first)
        order = epoch_order(rows, seed, epoch) if lengths is None else grouped_order(lengths, global_batch, seed, epoch)
        taken += order[begin:end].tolist()
        first += end - begin
    return taken


def micro_batches(step: list[int], rank: int, world: int, micro: int) -> list[list[int]]:
    """This rank's share of a step, in micro-batches of `micro` rows at the most.

    Every rank gets the same number of micro-batches, as collectives need; those beyond its share are empty.
    """
    largest_share = -(-len(step) // world)
    share = step[rank::world]
    return [share[start : start + micro] for start in range(0, largest_share, micro)]

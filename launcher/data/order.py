"""Which rows a step takes: a pure function of seed and step, whatever the number of ranks."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt


@lru_cache(maxsize=2)
def epoch_order(rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A permutation of `rows` row numbers, keyed by (seed, epoch)."""
    key = np.array([seed % 2**64, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).permutation(rows)


def step_rows(step: int, global_batch: int, rows: int, seed: int, total: int) -> list[int]:
    """Row numbers of optimiser step `step`, counted from 0.

    Epochs follow each other in one stream, and the last step of a run takes what is left of its `total` rows.
    """
    first = step * global_batch
    positions = range(first, min(first + global_batch, total))
    return [int(epoch_order(rows, seed, position // rows)[position % rows]) for position in positions]


def micro_batches(step: list[int], rank: int, world: int, micro: int) -> list[list[int]]:
    """This rank's share of a step, in micro-batches of `micro` rows at the most.

    Every rank gets the same number of micro-batches, as collectives need; those beyond its share are empty.
    """
    largest_share = -(-len(step) // world)
    share = step[rank::world]
    return [share[start : start + micro] for start in range(0, largest_share, micro)]

"""Which rank trains on which packs of a step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from launcher.data.stream.pieces import Integers
from launcher.data.stream.stream import Part


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """Packs that go through the model together."""

    parts: tuple[Part, ...]
    """None for a rank whose share is used up while others still compute."""
    first: int
    """Place of its first pack in the step, by which its random numbers are keyed; -1 where it has none."""


def shares(costs: Integers, world: int) -> list[Integers]:
    """Numbers of what each rank gets, from the costliest on, as equal in cost as a simple rule makes them.

    Each round of as many as there are ranks goes to all of them, the costliest to the rank that has had least. So
    counts differ by one at the most, and ranks that wait for each other at every micro-batch are at some of like cost.
    """
    order = np.argsort(-costs, kind="stable")
    load = np.zeros(world, dtype=np.int64)
    rank_of = np.empty_like(order)
    for start in range(0, len(order), world):
        taken = order[start : start + world]
        ranks = np.argsort(load, kind="stable")[: len(taken)]
        rank_of[start : start + world] = ranks
        load[ranks] += costs[taken]
    return [order[rank_of == rank] for rank in range(world)]


def micro_batches(parts: Sequence[Part], rank: int, world: int, micro: int) -> list[MicroBatch]:
    """A rank's packs of a step, in micro-batches of `micro` packs at the most.

    Packs of like cost go together, whatever the number of ranks, so that dropout does not depend on it either. Every
    rank gets the same number of micro-batches, as collectives need; those beyond its share are empty.
    """
    if not parts:
        return []
    costs = np.concatenate([part.window.costs[part.packs] for part in parts])
    packs = np.concatenate([part.packs for part in parts])
    part_of = np.repeat(np.arange(len(parts)), [len(part.packs) for part in parts])
    order = np.argsort(-costs, kind="stable")
    starts = np.arange(0, len(order), micro)

    def micro_batch(start: int) -> MicroBatch:
        places = order[start : start + micro]
        own = part_of[places]
        chosen = [replace(parts[number], packs=packs[places[own == number]]) for number in np.unique(own)]
        return MicroBatch(tuple(chosen), int(places[0]))

    mine = shares(np.add.reduceat(costs[order], starts), world)[rank]
    made = [micro_batch(start) for start in starts[mine].tolist()]
    return made + [MicroBatch((), -1)] * (-(-len(starts) // world) - len(made))

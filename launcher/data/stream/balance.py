"""Which rank trains on which packs of a step."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from launcher.data.stream.pieces import Integers
from launcher.data.stream.stream import Part


def shares(costs: Integers, world: int) -> list[Integers]:
    """Numbers of the packs that each rank gets, from the costliest on, as equal in cost as a simple rule makes them.

    Each round of as many packs as there are ranks goes to all of them, the costliest pack to the rank that has had
    least. So counts differ by one at the most, and ranks that wait for each other at every micro-batch are at packs of
    like cost.
    """
    order = np.argsort(-costs, kind="stable")
    load = np.zeros(world, dtype=np.int64)
    rank_of = np.empty_like(order)
    for start in range(0, len(order), world):
        packs = order[start : start + world]
        ranks = np.argsort(load, kind="stable")[: len(packs)]
        rank_of[start : start + world] = ranks
        load[ranks] += costs[packs]
    return [order[rank_of == rank] for rank in range(world)]


def micro_batches(parts: Sequence[Part], rank: int, world: int, micro: int) -> list[tuple[Part, ...]]:
    """A rank's packs of a step, in micro-batches of `micro` packs at the most.

    Every rank gets the same number of them, as collectives need; those beyond its share are empty.
    """
    if not parts:
        return []
    costs = np.concatenate([part.window.costs[part.packs] for part in parts])
    share = shares(costs, world)[rank]
    part_of = np.repeat(np.arange(len(parts)), [len(part.packs) for part in parts])
    packs = np.concatenate([part.packs for part in parts])
    largest_share = -(-len(costs) // world)
    return [
        tuple(replace(parts[number], packs=packs[mine[part_of[mine] == number]]) for number in np.unique(part_of[mine]))
        for mine in (share[start : start + micro] for start in range(0, largest_share, micro))
    ]

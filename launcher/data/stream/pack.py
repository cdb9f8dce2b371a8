"""Best-fit-decreasing packing."""

from bisect import bisect_left, insort

import numpy as np
import numpy.typing as npt

PACKER_VERSION = 1
"""Counts up with any change to what is packed with what; it is part of the digest that a cursor is checked by."""


class _Open:
    """Packs that are not full, by the tokens they have room for."""

    def __init__(self) -> None:
        self.rooms: list[int] = []
        """Keys of `packs`, in order."""
        self.packs: dict[int, list[int]] = {}

    def take(self, at: int, count: int) -> list[int]:
        """Up to `count` packs of room `rooms[at]`; they are the caller's now."""
        packs = self.packs[self.rooms[at]]
        if count < len(packs):
            taken = packs[-count:]
            del packs[-count:]
            return taken
        return self.packs.pop(self.rooms.pop(at))

    def give(self, room: int, packs: list[int]) -> None:
        """Packs that have this room now."""
        if room in self.packs:
            self.packs[room] += packs
        elif room:
            insort(self.rooms, room)
            self.packs[room] = packs


def best_fit_decreasing(lengths: npt.NDArray[np.int64], capacity: int) -> npt.NDArray[np.int64]:
    """The pack of each document, from 0: each, from long to short, goes where it leaves the least room.

    Documents of one length are placed together, and all that a pack takes of them in one go: the pack that fits best
    goes on fitting best. So the work grows with lengths, not with documents.

    Args:
        lengths: Tokens of each document, from 1 to `capacity`. Of equals the earlier one is placed first.
    """
    unfilled = _Open()
    placed: list[int] = []
    opened = 0
    counts = np.bincount(lengths)
    sizes = np.flatnonzero(counts)[::-1]
    for size, documents in zip(sizes.tolist(), counts[sizes].tolist(), strict=True):
        left = documents
        while left:
            at = bisect_left(unfilled.rooms, size)
            room = unfilled.rooms[at] if at < len(unfilled.rooms) else capacity
            each = room // size
            needed = -(-left // each)
            if at < len(unfilled.rooms):
                packs = unfilled.take(at, needed)
            else:
                packs = list(range(opened, opened + needed))
                opened += needed
            placed += packs if each == 1 else [pack for pack in packs for _ in range(each)][:left]
            left -= each * len(packs)
            if left < 0:  # the last pack took fewer than the others
                unfilled.give(room - (each + left) * size, [packs.pop()])
                left = 0
            if packs:
                unfilled.give(room - each * size, packs)
    pack_of = np.empty(len(lengths), dtype=np.int64)
    pack_of[stable_order(capacity - lengths)] = placed
    return pack_of


def stable_order(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places of the values from low to high, equals in the order they stand in.

    numpy sorts 16 bits several times faster than 64.
    """
    small = len(values) > 0 and int(values.max()) < 2**16
    return np.argsort(values.astype(np.uint16) if small else values, kind="stable")

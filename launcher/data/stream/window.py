"""A window: documents of some permuted blocks, in packs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from launcher.data.stream.consumed import Tally, counted, per_pack, tally
from launcher.data.stream.cursor import Cursor
from launcher.data.stream.mixing import Words
from launcher.data.stream.pack import best_fit_decreasing, stable_order
from launcher.data.stream.packing import Index, Mode, Packing
from launcher.data.stream.permutation import round_keys, shuffled
from launcher.data.stream.pieces import Integers, Pieces, cut


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Packs of pieces; pack `p` holds the pieces numbered `order[starts[p]:starts[p + 1]]`.

    What is excluded keeps its place, so that excluding a block in the middle of a window moves no other document.
    """

    epoch: int
    number: int
    capacity: int
    """Tokens that a pack may hold."""
    blocks: Integers
    """Blocks in the order in which their documents are numbered."""
    excluded: npt.NDArray[np.bool_]
    """Which of the blocks are not to be read."""
    rows: Integers
    """Documents of each block."""
    lengths: Integers
    """Tokens of each document."""
    pieces: Pieces
    order: Integers
    starts: Integers
    costs: Integers
    """Attention of each pack, as the sum of its pieces' squared tokens; 0 where none is alive."""
    filled: npt.NDArray[np.int32]
    """Tokens of each pack that are there to be trained on."""
    counts: Words
    """Of each pack, what it adds to the tallies of what is consumed and of what is left out: (2, 5, packs)."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def living(self, pack: int) -> Integers:
        """Packs from `pack` on that have something to train on."""
        return pack + np.flatnonzero(self.costs[pack:])

    def tally(self, packs: Integers) -> tuple[Tally, Tally]:
        """What is consumed and what is left out of some packs."""
        consumed, left_out = self.counts[:, :, packs].sum(axis=2)
        return tally(consumed), tally(left_out)


def build_window(index: Index, packing: Packing, cursor: Cursor, blocks: Integers) -> Window:
    """Order and pack the documents of the window that a cursor is in: a pure function of its arguments."""
    epoch, number = cursor.epoch, cursor.window
    lengths = [index.lengths(block).astype(np.int64) for block in blocks.tolist()]
    rows = np.array([len(each) for each in lengths])
    tokens = np.concatenate(lengths)
    pieces = cut(tokens, packing.capacity, packing.long)
    block_of = np.repeat(np.arange(len(blocks)), rows)[pieces.document]
    row_of = pieces.document - (np.cumsum(rows) - rows)[block_of]
    unread = np.isin(blocks, list(cursor.excluded))
    alive = (pieces.tokens > 0) & ~unread[block_of]

    mixed = shuffled(len(pieces), round_keys(packing.seed, epoch, f"pieces of {number}"))
    keys = round_keys(packing.seed, epoch, f"packs of {number}")
    order, starts = _ORDERS[packing.mode](mixed, pieces.tokens[mixed], packing, keys)
    there = (pieces.tokens * alive)[order]
    costs = np.add.reduceat(there * there, starts[:-1])
    filled = np.add.reduceat(there, starts[:-1]).astype(np.int32)
    words = counted(blocks[block_of], row_of, pieces.first)[:, order]
    counts = per_pack(words, starts[:-1], alive[order])
    return Window(
        epoch,
        number,
        packing.capacity,
        blocks,
        unread,
        rows,
        tokens,
        pieces,
        order,
        starts,
        costs,
        filled,
        counts,
    )


def _packed(mixed: Integers, tokens: Integers, packing: Packing, keys: Words) -> tuple[Integers, Integers]:
    """Several pieces a pack, packs in mixed order."""
    some = tokens > 0
    pack_of = np.empty_like(tokens)
    pack_of[some] = best_fit_decreasing(tokens[some], packing.capacity)
    packs = int(pack_of[some].max(initial=-1)) + 1
    if not some.all():
        pack_of[~some] = packs  # empty documents have a pack of their own, which is passed by
        packs += 1
    place_of = shuffled(packs, keys)[pack_of]
    starts = np.concatenate([[0], np.cumsum(np.bincount(place_of, minlength=packs))])
    return mixed[stable_order(place_of)], starts


def _padded(mixed: Integers, tokens: Integers, packing: Packing, keys: Words) -> tuple[Integers, Integers]:
    """One piece a pack."""
    return mixed, np.arange(len(mixed) + 1)


def _length_grouped(mixed: Integers, tokens: Integers, packing: Packing, keys: Words) -> tuple[Integers, Integers]:
    """One piece a pack, from long to short inside stretches.

    The longest of all is first, so memory runs out at once or never.
    """
    places = np.arange(len(mixed))
    order = np.lexsort((-tokens, places // packing.stretch))
    longest = int(np.argmax(tokens[order]))
    order[[0, longest]] = order[[longest, 0]]
    return mixed[order], np.arange(len(mixed) + 1)


_ORDERS: dict[Mode, Callable[[Integers, Integers, Packing, Words], tuple[Integers, Integers]]] = {
    "packed": _packed,
    "padded": _padded,
    "length-grouped": _length_grouped,
}

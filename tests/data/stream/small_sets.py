"""Small data sets in memory, whose tokens say which document they are of."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from launcher.data.prepared.block import BlockData
from launcher.data.stream.packing import Packing
from launcher.data.stream.stream import EpochEnd, Part, Stream

Id = tuple[int, int, int]
"""Block, document of the block, first token."""


class Lengths:
    """An index by lists of tokens a document, one list a block."""

    def __init__(self, blocks: Sequence[Sequence[int]]) -> None:
        self._blocks = [np.array(block, dtype=np.uint32) for block in blocks]
        self.rows = np.array([len(block) for block in blocks], dtype=np.int32)
        self.tokens = np.array([sum(block) for block in blocks], dtype=np.int64)

    def lengths(self, block: int) -> npt.NDArray[np.uint32]:
        return self._blocks[block]

    def ids(self) -> list[Id]:
        """All documents that have a token."""
        return [(b, row, 0) for b, block in enumerate(self._blocks) for row, tokens in enumerate(block) if tokens]

    def data(self, block: int) -> BlockData:
        """Tokens `1000 * (100 * block + row) + place`, and labels that are their negatives."""
        lengths = self._blocks[block].astype(np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        tokens = [1000 * (100 * block + row) + np.arange(n) for row, n in enumerate(lengths.tolist())]
        ids = np.concatenate(tokens).astype(np.int32)
        return BlockData(starts, ids, starts, -ids)

    def classes(self, block: int) -> BlockData:
        """The same documents with one label each: its row."""
        rows = int(self.rows[block])
        whole = self.data(block)
        return BlockData(whole.starts, whole.input_ids, np.arange(rows + 1), np.arange(rows, dtype=np.int32))


CAPACITY = 16
INDEXES = st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=12), min_size=1, max_size=12).map(Lengths)
PACKINGS = st.builds(
    Packing,
    mode=st.sampled_from(["packed", "padded", "length-grouped"]),
    capacity=st.just(CAPACITY),
    seed=st.integers(0, 2**64),
    blocks=st.integers(1, 5),
    long=st.sampled_from(["truncate", "split"]),
    stretch=st.integers(1, 8),
)


def pack_ids(part: Part) -> list[list[Id]]:
    """The documents of each pack of a part."""
    window = part.window
    block_of = np.repeat(window.blocks, window.rows)
    row_of = np.concatenate([np.arange(rows) for rows in window.rows])
    read = np.repeat(~window.excluded, window.rows)
    packs = []
    for pack in part.packs:
        numbers = window.order[slice(*window.starts[pack : pack + 2])]
        numbers = numbers[(window.pieces.tokens > 0)[numbers] & read[window.pieces.document[numbers]]]
        documents = window.pieces.document[numbers]
        found = zip(block_of[documents], row_of[documents], window.pieces.first[numbers], strict=True)
        packs.append([(int(block), int(row), int(first)) for block, row, first in found])
    return packs


def all_ids(parts: Sequence[Part]) -> list[list[Id]]:
    return [pack for part in parts for pack in pack_ids(part)]


def whole_run(stream: Stream, epochs: int) -> tuple[list[list[Id]], list[EpochEnd]]:
    """Documents of all packs of a run in one go, and its epochs."""
    step = stream.take(stream.start, 10**6, epochs)
    return all_ids(step.parts), list(step.ended)

"""Packs as rows of tokens."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import BlockData
from launcher.data.stream.gather import WindowTokens, gather
from launcher.data.stream.packing import Packing
from launcher.data.stream.stream import Part, Stream
from launcher.data.stream.window import Window
from tests.data.stream.small_sets import CAPACITY, INDEXES, PACKINGS, Lengths, pack_ids

PAD = -1


def read(index: Lengths, window: Window) -> list[BlockData]:
    return [index.data(block) for block in window.blocks[~window.excluded].tolist()]


Rows = list[list[int]]


def rows_of(index: Lengths, part: Part, packs: Sequence[int], width: int) -> tuple[Rows, Rows, list[int]]:
    """Ids and labels of some packs as rows, document by document, and the lengths of all pieces in them."""
    ids, labels, pieces = [], [], []
    for number in packs:
        row, masked = [], []
        for block, document, first in pack_ids(part)[number]:
            tokens = min(int(index.lengths(block)[document]) - first, CAPACITY)
            piece = [1000 * (100 * block + document) + first + place for place in range(tokens)]
            row += piece
            masked += [IGNORED, *(-token for token in piece[1:])]
            pieces.append(tokens)
        missing = width - len(row)
        ids.append(row + [PAD] * missing)
        labels.append(masked + [IGNORED] * missing)
        pieces += [missing] * (missing > 0)
    return ids, labels, pieces


@settings(deadline=None)
@given(INDEXES, PACKINGS, st.data())
def test_packs_hold_their_documents_tokens_and_then_padding(
    index: Lengths, order: Packing, data: st.DataObject
) -> None:
    stream = Stream(index, order, "m")
    excluded = data.draw(st.sets(st.integers(0, len(index.rows) - 1), max_size=len(index.rows) - 1))
    tokens: WindowTokens | None = None
    for part in stream.take(stream.start.skip(excluded), 10**6, 1).parts:
        tokens = WindowTokens(part.window, read(index, part.window), PAD, reuse=tokens)
        packs = data.draw(st.permutations(range(len(part.packs))))[:3]
        got = gather([(tokens, part.packs[packs])])
        ids, labels, pieces = rows_of(index, part, packs, int(max(got.filled)))
        assert (got.input_ids.tolist(), got.labels.tolist()) == (ids, labels)
        assert got.bounds.tolist() == [0, *np.cumsum(pieces)]
        assert got.filled.tolist() == [sum(token != PAD for token in row) for row in ids]


@settings(deadline=None)
@given(INDEXES, st.integers(0, 2**32))
def test_classes_follow_their_documents(index: Lengths, seed: int) -> None:
    stream = Stream(index, Packing("padded", CAPACITY, seed, 2), "m")
    for part in stream.take(stream.start, 10**6, 1).parts:
        blocks = [index.classes(block) for block in part.window.blocks.tolist()]
        got = gather([(WindowTokens(part.window, blocks, PAD, label_per_document=True), part.packs)])
        assert got.labels.tolist() == [row for ((_, row, _),) in pack_ids(part)]
        assert (got.input_ids[:, 0] // 1000 % 100).tolist() == got.labels.tolist()


def test_packs_of_two_windows_are_padded_to_the_longest_of_both() -> None:
    index = Lengths([[8, 4, 3], [2, 8, 3]])
    stream = Stream(index, Packing("packed", CAPACITY, 0, 1), "m")
    parts = stream.take(stream.start, 2).parts
    assert len(parts) == 2
    both = gather([(WindowTokens(part.window, read(index, part.window), PAD), part.packs) for part in parts])
    assert sorted(both.filled.tolist()) == [13, 15]
    (ids, labels, pieces), (more_ids, more_labels, more_pieces) = (rows_of(index, part, [0], 15) for part in parts)
    assert both.input_ids.tolist() == ids + more_ids
    assert both.labels.tolist() == labels + more_labels
    assert both.bounds.tolist() == [0, *np.cumsum(pieces + more_pieces)]


def test_a_window_whose_memory_was_taken_over_is_not_read_any_more() -> None:
    index = Lengths([[8, 8, 3], [2, 8, 8]])
    stream = Stream(index, Packing("packed", CAPACITY, 0, 1), "m")
    first, second = (part.window for part in stream.take(stream.start, 3).parts)
    done = WindowTokens(first, read(index, first), PAD)
    WindowTokens(second, read(index, second), PAD, reuse=done)
    with pytest.raises(AttributeError):
        gather([(done, np.array([0]))])


def test_blocks_of_other_documents_are_not_taken() -> None:
    index = Lengths([[8, 8, 3]])
    stream = Stream(index, Packing("packed", CAPACITY, 0, 1), "m")
    with pytest.raises(AssertionError, match="not those of the index"):
        WindowTokens(stream.window(stream.start), [Lengths([[8, 3, 8]]).data(0)], PAD)

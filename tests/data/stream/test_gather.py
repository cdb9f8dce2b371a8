"""Packs as arrays of tokens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import BlockData
from launcher.data.stream.gather import WindowTokens, join, padded
from launcher.data.stream.packing import Packing
from launcher.data.stream.stream import Stream
from launcher.data.stream.window import Window
from tests.data.stream.small_sets import CAPACITY, INDEXES, PACKINGS, Lengths, pack_ids


def read(index: Lengths, window: Window) -> list[BlockData]:
    return [index.data(block) for block in window.blocks[~window.excluded].tolist()]


@settings(deadline=None)
@given(INDEXES, PACKINGS, st.data())
def test_packs_hold_their_documents_tokens(index: Lengths, order: Packing, data: st.DataObject) -> None:
    stream = Stream(index, order, "m")
    excluded = data.draw(st.sets(st.integers(0, len(index.rows) - 1), max_size=len(index.rows) - 1))
    tokens: WindowTokens | None = None
    for part in stream.take(stream.start.skip(excluded), 10**6, 1).parts:
        tokens = WindowTokens(part.window, read(index, part.window), reuse=tokens)
        packs = data.draw(st.permutations(range(len(part.packs))))[:3]
        got = tokens.gather(part.packs[packs])
        pieces = [piece for number in packs for piece in pack_ids(part)[number]]
        assert len(got.bounds) == len(pieces) + 1
        for (block, row, first), begin, end in zip(pieces, got.bounds, got.bounds[1:], strict=False):
            length = min(int(index.lengths(block)[row]) - first, CAPACITY)
            expected = 1000 * (100 * block + row) + first + np.arange(length)
            assert got.input_ids[begin:end].tolist() == expected.tolist()
            assert got.labels[begin:end].tolist() == [IGNORED, *(-expected[1:]).tolist()]
            assert got.positions[begin:end].tolist() == list(range(length))
        counts = [len(pack_ids(part)[number]) for number in packs]
        assert got.packs.tolist() == got.bounds[np.concatenate([[0], np.cumsum(counts)])].tolist()


@settings(deadline=None)
@given(INDEXES, st.integers(0, 2**32))
def test_classes_follow_their_documents(index: Lengths, seed: int) -> None:
    stream = Stream(index, Packing("padded", CAPACITY, seed, 2), "m")
    for part in stream.take(stream.start, 10**6, 1).parts:
        blocks = [index.classes(block) for block in part.window.blocks.tolist()]
        got = WindowTokens(part.window, blocks, label_per_document=True).gather(part.packs)
        assert got.labels.tolist() == [row for ((_, row, _),) in pack_ids(part)]
        assert (got.input_ids[got.bounds[:-1]] // 1000 % 100).tolist() == got.labels.tolist()


def test_packs_of_two_windows_are_joined() -> None:
    index = Lengths([[8, 8, 3], [2, 8, 8]])
    stream = Stream(index, Packing("packed", CAPACITY, 0, 1), "m")
    step = stream.take(stream.start, 3)
    assert len(step.parts) == 2
    parts = [WindowTokens(part.window, read(index, part.window)).gather(part.packs) for part in step.parts]
    both = join(parts)
    assert both.input_ids.tolist() == [number for part in parts for number in part.input_ids.tolist()]
    assert both.positions[both.bounds[:-1]].tolist() == [0] * (len(both.bounds) - 1)
    assert np.diff(both.packs).tolist() == [tokens for part in parts for tokens in np.diff(part.packs).tolist()]
    assert set(both.packs.tolist()) <= set(both.bounds.tolist())


def test_rows_are_filled_up_on_the_right() -> None:
    values, bounds = np.arange(5, dtype=np.int32), np.array([0, 3, 3, 5], dtype=np.int32)
    assert padded(values, bounds, -1).tolist() == [[0, 1, 2], [-1, -1, -1], [3, 4, -1]]
    assert padded(values, bounds, 9, width=4).tolist() == [[0, 1, 2, 9], [9, 9, 9, 9], [3, 4, 9, 9]]


def test_a_window_whose_memory_was_taken_over_is_not_read_any_more() -> None:
    index = Lengths([[8, 8, 3], [2, 8, 8]])
    stream = Stream(index, Packing("packed", CAPACITY, 0, 1), "m")
    first, second = (part.window for part in stream.take(stream.start, 3).parts)
    done = WindowTokens(first, read(index, first))
    WindowTokens(second, read(index, second), reuse=done)
    with pytest.raises(AttributeError):
        done.gather(np.array([0]))


def test_tokens_are_joined_without_another_copy() -> None:
    index = Lengths([[8, 8, 3]] * 9)
    stream = Stream(index, Packing("packed", CAPACITY, 0, 9), "m")
    window = stream.window(stream.start)
    tokens = WindowTokens(window, read(index, window))
    assert np.shares_memory(tokens._rows.indices, tokens._memory[0])
    assert np.shares_memory(tokens._rows.data, tokens._memory[1])


def test_blocks_of_other_documents_are_not_taken() -> None:
    index = Lengths([[8, 8, 3]])
    stream = Stream(index, Packing("packed", CAPACITY, 0, 1), "m")
    with pytest.raises(AssertionError, match="not those of the index"):
        WindowTokens(stream.window(stream.start), [Lengths([[8, 3, 8]]).data(0)])

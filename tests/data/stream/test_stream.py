"""The stream of packs: every document once an epoch, whoever takes them, whenever they stop."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.balance import micro_batches
from launcher.data.stream.consumed import whole_epoch
from launcher.data.stream.cursor import Cursor
from launcher.data.stream.pack import PACKER_VERSION
from launcher.data.stream.packing import ORDER_VERSION, Packing, window_blocks
from launcher.data.stream.stream import EpochEnd, Part, Stream
from launcher.errors import InvalidInput
from tests.data.stream.small_sets import CAPACITY, INDEXES, PACKINGS, Id, Lengths, all_ids, whole_run

WORLDS = (1, 2, 3, 4, 7)
GOLDEN: dict[str, list[list[int]]] = {
    "packed": [[9, 8, 7], [2, 4], [3], [1, 19, 0, 6], [5]],
    "padded": [[2], [1], [19], [9], [5], [0], [4], [8], [6], [7], [3]],
    "length-grouped": [[3], [2], [1], [19], [4], [8], [0], [5], [9], [6], [7]],
}
"""Documents of each pack; what is split off a document has its first token added."""


def packing(**other: object) -> Packing:
    return Packing(**{"mode": "packed", "capacity": CAPACITY, "seed": 0, "blocks": 2, **other})  # type: ignore[arg-type]


def trained(parts: Sequence[Part], world: int) -> list[list[Id]]:
    """What all ranks together train on in a step, in an order of its own."""
    ranks = [micro_batches(parts, rank, world, micro=2) for rank in range(world)]
    assert len({len(batches) for batches in ranks}) == 1
    return sorted(pack for batches in ranks for batch in batches for pack in all_ids(batch.parts))


@settings(max_examples=60, deadline=None)
@given(INDEXES, PACKINGS, st.integers(1, 9), st.integers(1, 3), st.data())
def test_ranks_that_come_and_go_see_the_same_steps_as_one_that_stays(
    index: Lengths, order: Packing, batch: int, epochs: int, data: st.DataObject
) -> None:
    whole, ends = whole_run(Stream(index, order, "m"), epochs)
    steps = [whole[start : start + batch] for start in range(0, len(whole), batch)]
    stream, cursor = Stream(index, order, "m"), Stream(index, order, "m").start
    ended: list[EpochEnd] = []
    for expected in steps:
        if data.draw(st.booleans(), label="stop and resume"):
            stream = Stream(index, order, "m")
            cursor = Cursor.from_json(cursor.to_json(), "here")
        step = stream.take(cursor, batch, epochs)
        assert all_ids(step.parts) == expected
        assert trained(step.parts, data.draw(st.sampled_from(WORLDS), label="world size")) == sorted(expected)
        ended += step.ended
        cursor = step.cursor
    assert (cursor.epoch, cursor.packs) == (epochs, len(whole))
    assert ended == ends
    assert stream.take(cursor, batch, epochs).parts == ()


@pytest.mark.parametrize("world", WORLDS)
def test_world_sizes_share_every_step_without_remainder_or_repetition(world: int) -> None:
    rng = np.random.default_rng(0)
    index = Lengths([rng.integers(1, 17, 30).tolist() for _ in range(9)])
    stream = Stream(index, packing(blocks=3), "m")
    cursor = stream.start
    while cursor.epoch < 2:
        step = stream.take(cursor, 10, 2)
        assert trained(step.parts, world) == sorted(all_ids(step.parts))
        cursor = step.cursor


@settings(deadline=None)
@given(INDEXES, PACKINGS, st.integers(1, 3))
def test_every_document_is_seen_once_an_epoch_as_its_tally_says(index: Lengths, order: Packing, epochs: int) -> None:
    stream = Stream(index, order, "m")
    cursor = stream.start
    for epoch in range(epochs):
        step = stream.take(cursor, 10**6, epoch + 1)
        seen = sorted(piece for pack in all_ids(step.parts) for piece in pack)
        assert [piece for piece in seen if piece[2] == 0] == index.ids()
        assert len(set(seen)) == len(seen)
        assert [end.consumed for end in step.ended] == [whole_epoch(index, order)]
        assert step.ended[0].left_out.documents == 0
        cursor = step.cursor


@settings(deadline=None)
@given(INDEXES, PACKINGS)
def test_no_pack_holds_more_than_its_capacity_and_split_documents_lose_no_token(index: Lengths, order: Packing) -> None:
    step = Stream(index, order, "m").take(Stream(index, order, "m").start, 10**6, 1)
    kept = 0
    for part in step.parts:
        for pack in part.packs:
            numbers = part.window.order[slice(*part.window.starts[pack : pack + 2])]
            tokens = int(part.window.pieces.tokens[numbers].sum())
            assert 0 < tokens <= order.capacity
            assert order.mode == "packed" or len(numbers) == 1
            kept += tokens
    lengths = np.concatenate([index.lengths(block) for block in range(len(index.rows))])
    assert kept == (lengths if order.long == "split" else lengths.clip(max=order.capacity)).sum()


@settings(deadline=None)
@given(INDEXES, PACKINGS, st.data())
def test_a_block_quarantined_in_mid_epoch_moves_no_other_document(
    index: Lengths, order: Packing, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, len(index.rows) - 1))
    whole, _ = whole_run(Stream(index, order, "m"), 1)
    before = data.draw(st.integers(0, len(whole)))
    stream = Stream(index, order, "m")
    cursor = stream.take(stream.start, before, 1).cursor.quarantine([bad])
    expected = [[piece for piece in pack if piece[0] != bad] for pack in whole[before:]]
    if len(index.rows) == 1 and before < len(whole):
        with pytest.raises(InvalidInput, match="every document is empty, or its block is skipped or quarantined"):
            stream.take(cursor, 1)
        return
    step = stream.take(cursor, 10**6, 1)
    assert all_ids(step.parts) == [pack for pack in expected if pack]
    if before < len(whole):
        assert step.ended[0].consumed + step.ended[0].left_out == whole_epoch(index, order)


@settings(deadline=None)
@given(INDEXES)
def test_skipped_blocks_are_passed_by_from_the_first_step_on(index: Lengths) -> None:
    stream = Stream(index, packing(), "m")
    if len(index.rows) == 1:
        return
    step = stream.take(stream.start.skip([0]), 10**6, 2)
    assert sorted({piece[0] for pack in all_ids(step.parts) for piece in pack}) == list(range(1, len(index.rows)))
    assert [end.left_out.documents for end in step.ended] == [index.rows[0]] * 2
    assert {end.consumed + end.left_out for end in step.ended} == {whole_epoch(index, stream.packing)}


def test_empty_documents_are_passed_by_and_told() -> None:
    index = Lengths([[0, 3, 0], [0], [5, 5, 0]])
    for mode in ("packed", "padded", "length-grouped"):
        order = packing(mode=mode, blocks=1)
        stream = Stream(index, order, "m")
        step = stream.take(stream.start, 100, 1)
        assert sorted(piece for pack in all_ids(step.parts) for piece in pack) == index.ids()
        assert step.ended[0].left_out.documents == 4
        assert step.ended[0].consumed + step.ended[0].left_out == whole_epoch(index, order)
        assert step.cursor.epoch == 1


@settings(deadline=None)
@given(INDEXES, st.integers(0, 2**32))
def test_length_grouped_goes_from_long_to_short_in_stretches_and_begins_with_the_longest(
    index: Lengths, seed: int
) -> None:
    stream = Stream(index, packing(mode="length-grouped", stretch=5, blocks=100, capacity=20, seed=seed), "m")
    (part,) = stream.take(stream.start, 10**6, 1).parts
    tokens = part.window.pieces.tokens[part.window.order].tolist()
    assert tokens[0] == max(tokens)
    for start in range(5, len(tokens), 5):
        stretch = tokens[start : start + 5]
        assert sum(a < b for a, b in pairwise(stretch)) <= 1  # where the longest was


def test_epochs_and_seeds_come_in_orders_of_their_own() -> None:
    index = Lengths([[3, 5, 7]] * 8)
    runs = [whole_run(Stream(index, packing(seed=seed), "m"), 2)[0] for seed in (1, 2)]
    half = len(runs[0]) // 2
    assert runs[0] != runs[1]
    assert runs[0][:half] != runs[0][half:]


def test_a_step_takes_from_the_epoch_before_and_the_one_after() -> None:
    stream = Stream(Lengths([[8, 8, 8]]), packing(), "m")
    step = stream.take(stream.start, 3)
    assert [(part.window.epoch, len(part.packs)) for part in step.parts] == [(0, 2), (1, 1)]
    assert [end.epoch for end in step.ended] == [0]


def test_an_epoch_smaller_than_a_step_is_told_beforehand() -> None:
    stream = Stream(Lengths([[16]] * 6), packing(blocks=1), "m")
    assert stream.epoch_packs_below(7) == 6
    assert stream.epoch_packs_below(6) is None


def test_progress_is_documents_passed_out_of_all() -> None:
    stream = Stream(Lengths([[16] * 5] * 2), packing(), "m")
    cursor, seen = stream.start, []
    for _ in range(5):
        seen.append(stream.progress(cursor, 2))
        cursor = stream.take(cursor, 5, 2).cursor
    assert seen == [0, 0.25, 0.5, 0.75, 1]


def test_a_window_is_large_enough_to_mix_and_to_fill_packs() -> None:
    index = Lengths([[10] * 1000] * 100)
    assert window_blocks(index, 100) == 10
    assert window_blocks(index, 1000) == 20
    assert window_blocks(index, 100_000) == 100


def test_windows_share_an_epochs_blocks_evenly() -> None:
    index = Lengths([[1]] * 23)
    stream = Stream(index, packing(blocks=5), "m")
    blocks = [stream.blocks(0, window) for window in range(stream.windows)]
    assert sorted(len(each) for each in blocks) == [5, 6, 6, 6]
    assert sorted(np.concatenate(blocks).tolist()) == list(range(23))
    assert stream.following(0, 2) == (0, 3)
    assert stream.following(0, 3) == (1, 0)


@pytest.mark.parametrize("mode", ["packed", "padded", "length-grouped"])
def test_an_order_stays_as_it_is_until_a_version_changes(mode: str) -> None:
    index = Lengths([[3, 5, 7, 20], [9, 1, 4], [2, 6, 8]])
    assert (PACKER_VERSION, ORDER_VERSION) == (1, 1)
    packs, ends = whole_run(Stream(index, packing(mode=mode, long="split", stretch=4), "m"), 1)
    numbers = [[int(index.rows[:block].sum()) + row + first for block, row, first in pack] for pack in packs]
    assert numbers == GOLDEN[mode]
    assert ends[0].consumed.digest == "0c9756c70b821e4b7156758f48a1d290"

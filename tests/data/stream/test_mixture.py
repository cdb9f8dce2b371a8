"""Several data sets in one stream."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.consumed import Tally, whole_epoch
from launcher.data.stream.cursor import MixtureCursor, Stretch
from launcher.data.stream.mixture import Mixture
from launcher.data.stream.packing import Packing
from launcher.data.stream.stream import Stream
from tests.data.stream.small_sets import CAPACITY, INDEXES, Lengths, all_ids

SMALL = st.lists(st.tuples(INDEXES, st.floats(0.01, 100)), min_size=1, max_size=4)


def mixture(sources: list[tuple[Lengths, float]], seed: int = 0) -> Mixture:
    streams = [Stream(index, Packing("packed", CAPACITY, seed, 2), "m") for index, _ in sources]
    return Mixture(streams, [weight for _, weight in sources], seed)


def ids_by_source(mixed: Mixture, cursor: MixtureCursor, steps: list[int]) -> tuple[list[list[object]], MixtureCursor]:
    found: list[list[object]] = [[] for _ in mixed.streams]
    for packs in steps:
        step = mixed.take(cursor, packs)
        assert sum(len(part.packs) for part in step.parts) == packs
        for part in step.parts:
            found[part.source] += all_ids([part])
        cursor = step.cursor
    return found, cursor


@settings(max_examples=40, deadline=None)
@given(SMALL, st.lists(st.integers(1, 20), min_size=1, max_size=6), st.data())
def test_what_was_taken_does_not_depend_on_how_or_on_stops(
    sources: list[tuple[Lengths, float]], steps: list[int], data: st.DataObject
) -> None:
    whole, end = ids_by_source(mixture(sources), mixture(sources).start, [sum(steps)])
    found: list[list[object]] = [[] for _ in sources]
    mixed, cursor = mixture(sources), mixture(sources).start
    for packs in steps:
        if data.draw(st.booleans(), label="stop and resume"):
            mixed, cursor = mixture(sources), MixtureCursor.from_json(cursor.to_json(), "here")
            cursor.check(mixed.start, "here")
        part, cursor = ids_by_source(mixed, cursor, [packs])
        found = [[*a, *b] for a, b in zip(found, part, strict=True)]
    assert (found, cursor) == (whole, end)


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5], [0.7, 0.2, 0.1], [1, 1000], [3, 3, 3, 3, 1]])
def test_every_stretch_holds_sources_by_their_weights(weights: list[float]) -> None:
    index = Lengths([[16] * 7])
    mixed = mixture([(index, weight) for weight in weights])
    share = np.array(weights) / sum(weights)
    cursor = mixed.start
    for step in range(1, 200):
        cursor = mixed.take(cursor, 10).cursor
        counts = [source.packs for source in cursor.sources]
        assert sum(counts) == 10 * step
        assert np.abs(counts - 10 * step * share).max() <= len(weights)


def test_sources_come_in_no_regular_pattern() -> None:
    index = Lengths([[16] * 7])
    mixed = mixture([(index, 1), (index, 1)])
    cursor, order = mixed.start, []
    for _ in range(64):
        step = mixed.take(cursor, 1)
        order.append(step.parts[0].source)
        cursor = step.cursor
    assert order[:32] != order[32:]
    assert {(0, 0), (0, 1), (1, 0), (1, 1)} == set(pairwise(order))


def test_sources_that_end_begin_again_and_say_so() -> None:
    mixed = mixture([(Lengths([[16] * 5]), 3), (Lengths([[16] * 100]), 1)])
    step = mixed.take(mixed.start, 20)
    assert [(end.source, end.epoch) for end in step.ended] == [(0, epoch) for epoch in range(len(step.ended))]
    assert len(step.ended) >= 2
    assert mixed.progress(step.cursor, 1) < 0.1


def test_one_source_alone_ends_with_its_epochs() -> None:
    mixed = mixture([(Lengths([[16] * 5]), 3)])
    step = mixed.take(mixed.start, 20, epochs=2)
    assert sum(len(part.packs) for part in step.parts) == 10
    assert mixed.progress(step.cursor, 2) == 1


def test_weights_and_seed_are_part_of_the_digest_and_their_scale_is_not() -> None:
    index = Lengths([[16]])
    digests = [
        mixture([(index, 1.0), (index, other)], seed).start.mixing for other, seed in ((1.0, 0), (2.0, 0), (1.0, 1))
    ]
    assert len(set(digests)) == 3
    assert mixture([(index, 2.0), (index, 2.0)]).start.mixing == digests[0]


@settings(max_examples=60, deadline=None)
@given(SMALL, st.data())
def test_packs_that_are_passed_by_are_left_out_and_no_other_moves(
    sources: list[tuple[Lengths, float]], data: st.DataObject
) -> None:
    total, batch = 40, data.draw(st.integers(1, 9), label="packs a step")
    pairs = st.tuples(st.integers(0, total), st.integers(0, total)).map(lambda pair: Stretch(min(pair), max(pair)))
    stretches = data.draw(st.lists(pairs, max_size=3), label="passed by")
    gone = {pack for each in stretches for pack in range(each.first, each.end)}
    plain = mixture(sources)
    wanted: list[list[object]] = [[] for _ in sources]
    cursor = plain.start
    for pack in range(total):
        found, cursor = ids_by_source(plain, cursor, [1])
        if pack not in gone:
            wanted = [[*a, *b] for a, b in zip(wanted, found, strict=True)]
    mixed, left = mixture(sources), total - len(gone)
    start = MixtureCursor.from_json(mixed.start.pass_by(stretches).to_json(), "here")
    steps = [min(batch, left - done) for done in range(0, left, batch)]
    assert ids_by_source(mixed, start, steps)[0] == wanted


@settings(max_examples=60, deadline=None)
@given(INDEXES, st.integers(1, 3), st.integers(1, 9), st.data())
def test_what_is_consumed_and_what_is_passed_by_come_to_every_document_once(
    index: Lengths, epochs: int, batch: int, data: st.DataObject
) -> None:
    mixed = mixture([(index, 1.0)])
    whole = whole_epoch(index, mixed.streams[0].packing)
    packs = mixed.take(mixed.start, 10**4, epochs).cursor.packs
    first = data.draw(st.integers(0, packs), label="first")
    end = data.draw(st.integers(first, packs), label="end")
    cursor, ended, taken = mixed.start.pass_by([Stretch(first, end)]), [], 0
    while True:
        step = mixed.take(cursor, batch, epochs)
        cursor, ended, taken = step.cursor, [*ended, *step.ended], taken + sum(len(part.packs) for part in step.parts)
        if not step.parts:
            break
    assert taken == packs - (end - first)
    assert [each.epoch for each in ended] == list(range(epochs))
    assert all(each.consumed + each.left_out == whole for each in ended)
    if first == 0 and end == packs:
        assert all(each.consumed == Tally() for each in ended)

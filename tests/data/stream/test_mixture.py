"""Several data sets in one stream."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.cursor import MixtureCursor
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

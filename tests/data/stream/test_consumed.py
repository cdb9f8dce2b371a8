"""Digests of the documents that were consumed."""

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.consumed import Tally, counted, tally

PIECES = st.lists(st.tuples(*[st.integers(0, 2**32 - 1)] * 3), min_size=1, max_size=20)


def of(pieces: list[tuple[int, int, int]]) -> Tally:
    blocks, rows, firsts = np.array(pieces).T
    return tally(counted(blocks, rows, firsts).sum(axis=1))


@settings(deadline=None)
@given(PIECES, st.randoms())
def test_order_and_parts_do_not_matter(pieces: list[tuple[int, int, int]], random: Random) -> None:
    mixed = random.sample(pieces, len(pieces))
    assert of(mixed) == of(pieces) == sum((of([piece]) for piece in pieces), Tally())


@settings(deadline=None)
@given(PIECES, st.data())
def test_a_piece_that_is_missing_doubled_or_another_shows(
    pieces: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(pieces) - 1))
    block, row, first = pieces[at]
    others = pieces[:at] + pieces[at + 1 :]
    assert of([*pieces, pieces[at]]).digest != of(pieces).digest
    assert sum((of([piece]) for piece in others), Tally()).digest != of(pieces).digest
    for other in ((block ^ 1, row, first), (block, row ^ 1, first), (block, row, first ^ 1), (row, block, first)):
        if other != pieces[at]:
            assert of([*others, other]).digest != of(pieces).digest


def test_two_of_one_and_none_of_another_do_not_cancel() -> None:
    assert of([(0, 0, 0), (0, 2, 0)]).digest != of([(0, 1, 0), (0, 1, 0)]).digest


def test_a_document_counts_where_it_begins() -> None:
    assert of([(0, 0, 0), (0, 0, 16), (3, 1, 0)]).documents == 2


def test_words_are_carried_and_wrapped() -> None:
    words = np.array([0, 2**32, 2**32 - 1, 2**32 - 1, 2**32 - 1], dtype=np.uint64)
    assert tally(words) == Tally(0, f"{0:032x}")

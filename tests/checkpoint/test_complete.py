from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.complete import Incomplete, check_complete, check_none_lost
from launcher.checkpoint.contents import StoredPiece


def piece(offset: int, length: int, total: int = 10, parameter: str = "w", slot: str = "weight") -> StoredPiece:
    return StoredPiece(parameter, slot, offset, length, total, "F32", 0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.randoms())
def test_pieces_that_cover_a_slot_once_pass_in_any_order(lengths: list[int], chance: Random) -> None:
    total, pieces, offset = sum(lengths), [], 0
    for length in lengths:
        pieces.append(piece(offset, length, total))
        offset += length
    chance.shuffle(pieces)
    assert check_complete(pieces, {"w": total}) == {("w", "weight")}


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([piece(0, 4), piece(6, 4)], "w, weight: elements 4 to 6 were not written"),
        ([piece(0, 6), piece(4, 6)], "w, weight: elements 4 to 6 were written twice"),
        ([piece(0, 10), piece(0, 10)], "w, weight: elements 0 to 10 were written twice"),
        ([piece(0, 9)], "w, weight: elements 9 to 10 were not written"),
        ([piece(1, 9)], "w, weight: elements 0 to 1 were not written"),
        ([piece(0, 4, 10), piece(4, 6, 11)], "w, weight: ranks disagree on its size or type"),
        ([], "w: 0 elements of its weights were written, 10 are trained"),
        ([piece(0, 8, 8)], "w: 8 elements of its weights were written, 10 are trained"),
        ([piece(0, 10), piece(0, 10, slot="exp_avg", parameter="v")], "v: it was written, and is not trained"),
    ],
)
def test_what_is_missing_or_there_twice_is_named(pieces: list[StoredPiece], told: str) -> None:
    with pytest.raises(Incomplete) as error:
        check_complete(pieces, {"w": 10})
    assert str(error.value) == told


def test_a_slot_that_is_gone_since_the_checkpoint_before_is_named() -> None:
    before = frozenset({("w", "weight"), ("w", "exp_avg")})
    check_none_lost(before | {("w", "new")}, before)
    with pytest.raises(Incomplete, match="w: its exp_avg was in the checkpoint before"):
        check_none_lost(frozenset({("w", "weight")}), before)

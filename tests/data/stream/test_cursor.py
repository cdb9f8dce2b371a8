"""What a position is, and what refuses it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.consumed import Tally
from launcher.data.stream.cursor import Cursor, MixtureCursor
from launcher.data.stream.packing import Packing
from launcher.errors import InvalidInput

TALLIES = st.builds(Tally, st.integers(0, 2**40), st.integers(0, 2**128 - 1).map("{:032x}".format))
BLOCKS = st.sets(st.integers(0, 10**6)).map(lambda blocks: tuple(sorted(blocks)))
NUMBERS = st.integers(0, 2**40)
CURSORS = st.builds(Cursor, st.text(), st.text(), NUMBERS, NUMBERS, NUMBERS, NUMBERS, TALLIES, TALLIES, BLOCKS, BLOCKS)


@settings(deadline=None)
@given(CURSORS)
def test_a_cursor_is_read_back_from_json(cursor: Cursor) -> None:
    assert Cursor.from_json(cursor.to_json(), "here") == cursor


@settings(deadline=None)
@given(st.lists(CURSORS).map(tuple))
def test_a_mixtures_cursor_is_read_back_from_json(cursors: tuple[Cursor, ...]) -> None:
    cursor = MixtureCursor("digest", cursors)
    assert MixtureCursor.from_json(cursor.to_json(), "here") == cursor


def test_blocks_are_kept_in_order_and_once() -> None:
    cursor = Cursor("m", "p").skip([9, 2]).quarantine([4]).quarantine([3, 4])
    assert (cursor.skipped, cursor.quarantined) == ((2, 9), (3, 4))
    assert cursor.excluded == {2, 3, 4, 9}


@pytest.mark.parametrize(("manifest", "packing", "what"), [("n", "p", "data set m"), ("m", "q", "order of the data p")])
def test_a_position_in_other_data_or_another_order_is_refused_with_both_named(
    manifest: str, packing: str, what: str
) -> None:
    Cursor("m", "p").check("m", "p", "commit 3")
    with pytest.raises(InvalidInput, match=rf"^commit 3 is a position in the {what}, and the recipe's is [nq]; resume"):
        Cursor("m", "p").check(manifest, packing, "commit 3")


def test_a_position_in_another_mixture_is_refused() -> None:
    own = MixtureCursor("a", (Cursor("m", "p"), Cursor("n", "p")))
    own.check(own, "commit 3")
    with pytest.raises(InvalidInput, match="mixture a, and the recipe's is b"):
        own.check(MixtureCursor("b", own.sources), "commit 3")
    with pytest.raises(InvalidInput, match=r"^commit 3, source 1, is a position in the data set n, and"):
        own.check(own.at(1, Cursor("o", "p")), "commit 3")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"manifest": 3, "packing": "p"}'])
def test_what_is_no_cursor_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^commit 3 is no cursor"):
        Cursor.from_json(data, "commit 3")


def test_whatever_makes_the_order_changes_its_digest() -> None:
    orders = [
        Packing("packed", 16, 0, 2),
        Packing("padded", 16, 0, 2),
        Packing("packed", 17, 0, 2),
        Packing("packed", 16, 1, 2),
        Packing("packed", 16, 0, 3),
        Packing("packed", 16, 0, 2, "split"),
        Packing("packed", 16, 0, 2, stretch=2),
    ]
    assert len({order.digest for order in orders}) == len(orders)
    assert Packing("packed", 16, 0, 2).digest == orders[0].digest


@settings(deadline=None)
@given(st.lists(TALLIES))
def test_tallies_add_up_in_any_order(tallies: list[Tally]) -> None:
    assert sum(tallies, Tally()) == sum(reversed(tallies), Tally())

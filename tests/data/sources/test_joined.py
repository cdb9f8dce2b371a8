"""Rows of several sources as one sequence."""

from hypothesis import given
from hypothesis import strategies as st

from launcher.data.rows import Row, Rows
from launcher.data.sources.joined import joined

parts = st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=4)
places = st.none() | st.integers(-20, 20)


def rows(numbers: list[int]) -> list[Row]:
    return [Row({"text": str(number)}, None) for number in numbers]


@given(parts, places, places)
def test_joined_rows_are_those_of_the_parts_one_after_another(lists, start, stop):
    whole = rows([number for one in lists for number in one])
    found = joined([Rows.of(rows(one)) for one in lists])
    assert len(found) == len(whole)
    assert list(found) == whole
    assert found == whole
    assert [found[place] for place in range(-len(whole), len(whole))] == whole + whole
    assert found[start:stop] == whole[start:stop]


def test_rows_of_one_source_are_themselves():
    part = Rows.of(rows([1, 2]))
    assert joined([part]) is part

import gc
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from launcher.data.rows import Row, Rows
from launcher.data.split import deduplicate, stratified_split
from launcher.recipe.data import Split

ROW = st.builds(Row, st.dictionaries(st.sampled_from("abc"), st.text(), min_size=1), st.none() | st.text(max_size=3))


@given(st.lists(ROW))
def test_rows_come_back_as_they_were(rows: list[Row]) -> None:
    kept = Rows.of(iter(rows))
    assert kept == rows
    assert [kept[place] for place in range(len(rows))] == rows
    assert kept.labels == [row.label for row in rows]


@given(st.lists(ROW, min_size=1), st.data())
def test_taking_gives_the_rows_at_the_places(rows: list[Row], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    taken = Rows.of(rows).take(places)
    assert taken == [rows[place] for place in places]
    assert taken[1:] == [rows[place] for place in places[1:]]


def big_rows(count: int) -> Iterator[Row]:
    for number in range(count):
        yield Row({"text": f"{number // 2} " + "x" * 4000}, "ab"[number // 2 % 2])


def test_rows_that_do_not_fit_into_memory_are_read_deduplicated_and_split() -> None:
    tracemalloc.start()
    rows = Rows.of(big_rows(10_000))  # 40 MB
    parts = stratified_split(deduplicate(rows), Split(train_per_class=2000, test_per_class=100), "ab")
    assert sum(len(row.text) for row in parts.train) > 16_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [len(part) for part in parts] == [4000, 200, 0]
    assert peak < 4_000_000


def test_the_file_goes_with_the_rows() -> None:
    before = _unnamed_files()
    rows = Rows.of(big_rows(3))
    own = _unnamed_files() - before
    assert own
    del rows
    gc.collect()
    assert not own & _unnamed_files()


def _unnamed_files() -> set[str]:
    """Files without a name that this process has open; other tests' threads may close some meanwhile."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return {each for each in found if "ll-rows-" in each or "(deleted)" in each}

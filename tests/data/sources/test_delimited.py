import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.sources.read import read_rows
from launcher.recipe.data import Csv, Source, Tsv

Write = Callable[..., str]
Refused = Callable[[Source], str]


def test_csv_keeps_newlines_commas_and_quotes_inside_quoted_cells(write: Write) -> None:
    url = write(b'text,label\r\n"one\ntwo, ""three""",good\r\nplain,bad\r\n')
    assert read_rows(Csv(kind="csv", url=url)) == [
        {"text": 'one\ntwo, "three"', "label": "good"},
        {"text": "plain", "label": "bad"},
    ]


def test_tsv_takes_quotes_and_unicode_line_breaks_as_text(write: Write) -> None:
    text = 'a "quoted" word\x85and\u2028more\x0bof it'
    url = write(f"{text}\t1\n\nnext\t0\n".encode())
    rows = read_rows(Tsv(kind="tsv", url=url, columns=["text", "label"]))
    assert rows == [{"text": text, "label": "1"}, {"text": "next", "label": "0"}]


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2), min_size=1
    )
)
def test_whatever_csv_writes_is_read_back(cells: list[list[str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(cells)
    fsspec.filesystem("memory").pipe_file("/test-rows/rows", buffer.getvalue().encode())
    rows = read_rows(Csv(kind="csv", url="memory://test-rows/rows", columns=["a", "b"]))
    fsspec.filesystem("memory").rm("/test-rows", recursive=True)
    assert [list(row.values()) for row in rows] == cells


@pytest.mark.parametrize(("row", "cells"), [(b"only one", 1), (b"a,b,c", 3)])
def test_a_ragged_row_is_named_by_its_line(write: Write, row: bytes, cells: int, refused: Refused) -> None:
    url = write(b'text,label\n"two\nlines",1\n' + row + b"\n")
    assert refused(Csv(kind="csv", url=url)).startswith(
        f"{url}:4: {cells} cells where 2 columns are expected (text, label)"
    )


def test_an_unclosed_quote_is_named_by_its_line(write: Write, refused: Refused) -> None:
    url = write(b'text,label\n"never closed,1\n')
    assert re.fullmatch(
        re.escape(url) + r":2: .*; is the file quoted as its kind says\?", refused(Csv(kind="csv", url=url))
    )


@pytest.mark.parametrize(("content", "columns"), [(b"a,b,a\n1,2,3\n", None), (b"1,2,3\n", ["a", "b", "a"])])
def test_columns_of_one_name_are_refused(
    write: Write, content: bytes, columns: list[str] | None, refused: Refused
) -> None:
    url = write(content)
    message = refused(Csv(kind="csv", url=url, columns=columns))
    assert message == f"{url}: two columns are named 'a'; rename one of them (a, b, a)"


def test_financial_phrasebank_is_read_whole(shared: Path, refused: Refused) -> None:
    url = str(shared / "data/financial-phrasebank/all-data.csv")
    rows = read_rows(Csv(kind="csv", url=url, encoding="latin-1", columns=["label", "text"]))
    assert Counter(row["label"] for row in rows) == {"neutral": 2879, "positive": 1363, "negative": 604}
    assert "byte 0x" in refused(Csv(kind="csv", url=url, columns=["label", "text"]))


@pytest.mark.parametrize(("part", "count"), [("train", 6920), ("dev", 872), ("test", 1821)])
def test_sst2_is_read_whole(shared: Path, part: str, count: int) -> None:
    rows = read_rows(Tsv(kind="tsv", url=str(shared / f"data/sst2/{part}.tsv"), columns=["text", "label"]))
    assert len(rows) == count
    assert {row["label"] for row in rows} == {"0", "1"}


@pytest.mark.parametrize(("part", "count", "breaks"), [("train", 4000, 58), ("test", 2000, 22)])
def test_imdb_is_read_whole_with_its_marks_and_breaks(shared: Path, part: str, count: int, breaks: int) -> None:
    rows = read_rows(Csv(kind="csv", url=str(shared / f"data/imdb/imdb_subset_{part}.csv")))
    assert Counter(row["label"] for row in rows) == {"0": count // 2, "1": count // 2}
    assert sum("\x85" in row["text"] for row in rows) == breaks
    assert any("<br />" in row["text"] for row in rows)


def test_a_tsv_with_unicode_line_breaks_is_split_at_newlines_only(shared: Path) -> None:
    rows = read_rows(Tsv(kind="tsv", url=str(shared / "data/imdb/imdb_labelled.txt"), columns=["text", "label"]))
    assert Counter(row["label"] for row in rows) == {"0": 500, "1": 500}
    assert sum(row["text"].count("\x85") for row in rows) == 2

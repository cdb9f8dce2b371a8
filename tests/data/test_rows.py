import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from s3fs import S3FileSystem

from launcher.data.rows import read_rows
from launcher.errors import InvalidInput
from launcher.recipe.data import Csv, Headlines, Jsonl, Source, Tsv

Write = Callable[[bytes], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file and returns its path."""

    def into(content: bytes) -> str:
        path = tmp_path / "rows"
        path.write_bytes(content)
        return str(path)

    return into


@contextmanager
def in_memory(content: bytes) -> Iterator[str]:
    """The URL of a file in fsspec's store in memory."""
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/test-rows/rows", content)
    try:
        yield "memory://test-rows/rows"
    finally:
        fs.rm("/test-rows", recursive=True)


def refused(source: Source) -> str:
    """The one line that a source is refused with."""
    with pytest.raises(InvalidInput) as caught:
        read_rows(source)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


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


def test_jsonl_makes_text_of_every_value(write: Write) -> None:
    url = write('{"text": "a\u2028b", "label": 1}\r\n\n{"text": null, "label": true, "tags": ["\u00e9"]}'.encode())
    assert read_rows(Jsonl(kind="jsonl", url=url)) == [
        {"text": "a\u2028b", "label": "1"},
        {"text": "", "label": "true", "tags": '["\u00e9"]'},
    ]


@pytest.mark.parametrize("kind", [Csv, Tsv])
def test_a_byte_order_mark_is_no_part_of_the_first_column(write: Write, kind: type[Csv] | type[Tsv]) -> None:
    separator = "," if kind is Csv else "\t"
    url = write(f"\ufefftext{separator}label\nx{separator}1\n".encode())
    assert read_rows(kind(kind=kind.__name__.lower(), url=url)) == [{"text": "x", "label": "1"}]


def test_other_encodings_are_read_by_name(write: Write) -> None:
    row = {"text": "\u00e9t\u00e9", "label": "na\u00efve"}
    content = "text,label\n\u00e9t\u00e9,na\u00efve\n"
    for encoding in ("utf-8", "latin-1", "utf-16", "cp1252"):
        assert read_rows(Csv(kind="csv", url=write(content.encode(encoding)), encoding=encoding)) == [row]


def test_rows_come_from_any_fsspec_url() -> None:
    with in_memory(b"text,label\nx,1\n") as url:
        assert read_rows(Csv(kind="csv", url=url)) == [{"text": "x", "label": "1"}]


def test_headlines_are_a_source_like_any_other() -> None:
    rows = read_rows(Headlines(kind="headlines", rows_per_class=2, templates="seen", seed=0))
    assert Counter(row["label"] for row in rows) == {"negative": 2, "neutral": 2, "positive": 2}


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2), min_size=1
    )
)
def test_whatever_csv_writes_is_read_back(cells: list[list[str]]) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows(cells)
    with in_memory(buffer.getvalue().encode()) as url:
        rows = read_rows(Csv(kind="csv", url=url, columns=["a", "b"]))
    assert [list(row.values()) for row in rows] == cells


def test_a_missing_file_is_told_with_where_relative_paths_start(tmp_path: Path) -> None:
    url = str(tmp_path / "absent.csv")
    assert refused(Csv(kind="csv", url=url)) == f"{url}: no such file; relative paths start at the working directory"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"text,label\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_is_refused(write: Write, content: bytes) -> None:
    url = write(content)
    assert refused(Csv(kind="csv", url=url)) == f"{url}: no rows; point url at a file that has some"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert re.search(r"cannot be read: .*[Ii]s a directory.*; give a path", refused(Csv(kind="csv", url=str(tmp_path))))


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_of_another_encoding_is_named_with_its_line(write: Write, mark: bytes) -> None:
    url = write(mark + b"text,label\nplain,1\n\xe9t\xe9,1\n")
    message = refused(Csv(kind="csv", url=url))
    assert message == f"{url}:3: byte 0xe9 is not utf-8; give the file's own encoding, such as encoding: latin-1"


def test_an_unknown_encoding_is_refused(write: Write) -> None:
    assert "encoding 'klingon' is not known" in refused(Csv(kind="csv", url=write(b"a\nb\n"), encoding="klingon"))


def test_a_codec_that_makes_no_text_is_refused(write: Write) -> None:
    assert "encoding 'base64' is not known" in refused(Csv(kind="csv", url=write(b"a\nb\n"), encoding="base64"))


@pytest.mark.parametrize(("row", "cells"), [(b"only one", 1), (b"a,b,c", 3)])
def test_a_ragged_row_is_named_by_its_line(write: Write, row: bytes, cells: int) -> None:
    url = write(b'text,label\n"two\nlines",1\n' + row + b"\n")
    assert refused(Csv(kind="csv", url=url)).startswith(
        f"{url}:4: {cells} cells where 2 columns are expected (text, label)"
    )


def test_an_unclosed_quote_is_named_by_its_line(write: Write) -> None:
    url = write(b'text,label\n"never closed,1\n')
    assert re.fullmatch(
        re.escape(url) + r":2: .*; is the file quoted as its kind says\?", refused(Csv(kind="csv", url=url))
    )


@pytest.mark.parametrize(("content", "columns"), [(b"a,b,a\n1,2,3\n", None), (b"1,2,3\n", ["a", "b", "a"])])
def test_columns_of_one_name_are_refused(write: Write, content: bytes, columns: list[str] | None) -> None:
    url = write(content)
    message = refused(Csv(kind="csv", url=url, columns=columns))
    assert message == f"{url}: two columns are named 'a'; rename one of them (a, b, a)"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "x",}', ":3:14: not JSON: "),
        (b"plain text", ":3:1: not JSON: "),
        (b'["x"]', ":3: a JSON object is expected, not a list"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(write: Write, line: bytes, reason: str) -> None:
    url = write(b'{"text": "a"}\n\n' + line + b'\n{"text": "b"}\n')
    assert refused(Jsonl(kind="jsonl", url=url)).startswith(url + reason)


def test_an_unknown_protocol_is_refused() -> None:
    assert refused(Csv(kind="csv", url="gopher://x/y.csv")) == (
        "gopher://x/y.csv: cannot be read: Protocol not known: gopher; give a path or URL of a file"
    )


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    assert refused(Csv(kind="csv", url="gs://bucket/y.csv")).endswith("pip install 'llama-launcher[gcs]'")


def test_a_store_that_does_not_answer_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert "cannot be read: Could not connect" in refused(Csv(kind="csv", url="s3://bucket/y.csv"))


def test_financial_phrasebank_is_read_whole(shared: Path) -> None:
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

import json
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from launcher.data.sources.read import iter_rows, read_rows
from launcher.recipe.data import Csv, Headlines, Source

Write = Callable[..., str]
Refused = Callable[[Source], str]


def test_headlines_are_a_source_like_any_other() -> None:
    rows = read_rows(Headlines(kind="headlines", rows_per_class=2, templates="seen", seed=0))
    assert Counter(row["label"] for row in rows) == {"negative": 2, "neutral": 2, "positive": 2}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"text,label\n", b"\xef\xbb\xbf"])
def test_a_file_without_rows_is_refused(write: Write, content: bytes, refused: Refused) -> None:
    url = write(content)
    assert refused(Csv(kind="csv", url=url)) == f"{url}: no rows; point url at a file that has some"


def test_files_without_rows_are_named_together(write: Write, refused: Refused) -> None:
    urls = [write(b"text\n", "a.csv"), write(b"text\n", "b.csv")]
    assert refused(Csv(kind="csv", url=urls)).startswith(f"{urls[0]}, {urls[1]}: no rows;")


def test_one_file_of_several_may_be_empty(write: Write) -> None:
    urls = [write(b"text\n", "a.csv"), write(b"text\nx\n", "b.csv")]
    assert read_rows(Csv(kind="csv", url=urls)) == [{"text": "x"}]


def _csv(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("\n".join(["text", *(row["text"] for row in rows)]))


def _parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000, use_dictionary=False, compression="none")


def _arrow(path: Path, rows: list[dict[str, str]]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)


WRITERS: dict[str, tuple[Callable[[Path, list[dict[str, str]]], None], dict[str, Any]]] = {
    "csv": (_csv, {}),
    "json": (lambda path, rows: path.write_text(json.dumps(rows)), {}),
    "jsonl": (lambda path, rows: path.write_text("\n".join(map(json.dumps, rows))), {}),
    "text": (lambda path, rows: path.write_text("\n\n".join(row["text"] for row in rows)), {"documents": "paragraph"}),
    "labelled-lines": (
        lambda path, rows: path.write_text("\n".join(row["text"] + "@" for row in rows)),
        {"separator": "@"},
    ),
    "parquet": (_parquet, {}),
    "arrow": (_arrow, {}),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_source_needs_memory_for_a_part_of_its_file_only(tmp_path: Path, kind: str) -> None:
    path, (writer, options) = tmp_path / "rows", WRITERS[kind]
    writer(path, [{"text": f"{number} " + "x" * 1000} for number in range(16_000)])
    source = TypeAdapter[Source](Source).validate_python({"kind": kind, "url": str(path), **options}, strict=True)
    for _ in iter_rows(source):
        break  # what is imported on the way is not what a row needs
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        buffered = [pa.total_allocated_bytes() - before for _ in iter_rows(source)]
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(buffered) == 16_000
    assert path.stat().st_size > 16_000_000
    assert held + max(buffered) < 8_000_000

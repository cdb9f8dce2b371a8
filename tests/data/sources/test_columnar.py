import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.data.sources.read import read_rows
from launcher.recipe.data import Arrow, Json, Parquet, Source

Write = Callable[..., str]
Refused = Callable[[Source], str]

ROWS: list[dict[str, Any]] = [
    {"text": "a\x85b", "label": 1, "messages": [{"role": "user", "content": "hi"}], "when": datetime.date(2026, 1, 2)},
    {"text": None, "label": 0, "messages": [], "when": None},
]


def parquet(rows: list[dict[str, Any]], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink, **options)
    return bytes(sink.getvalue())


def arrow(rows: list[dict[str, Any]], opener: Callable[..., Any], chunk: int = 1) -> bytes:
    table, sink = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    with opener(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=chunk)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_parquet_keeps_what_a_value_is(write: Write, compression: str) -> None:
    url = write(parquet(ROWS, row_group_size=1, compression=compression))
    assert read_rows(Parquet(kind="parquet", url=url)) == ROWS


@pytest.mark.parametrize("opener", [pa.ipc.new_file, pa.ipc.new_stream])
def test_arrow_is_read_as_file_and_as_stream(write: Write, opener: Callable[..., Any]) -> None:
    assert read_rows(Arrow(kind="arrow", url=write(arrow(ROWS, opener)))) == ROWS


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.fixed_dictionaries({"text": st.text(), "n": st.integers(-9, 9)}), min_size=1), st.integers(1, 7))
def test_row_groups_and_batches_of_any_size_give_the_same_rows(
    write: Write, rows: list[dict[str, Any]], size: int
) -> None:
    assert read_rows(Parquet(kind="parquet", url=write(parquet(rows, row_group_size=size)))) == rows
    assert read_rows(Arrow(kind="arrow", url=write(arrow(rows, pa.ipc.new_stream, size)))) == rows


def test_instructions_are_the_same_rows_in_every_format(shared: Path, write: Write) -> None:
    rows = read_rows(Json(kind="json", url=str(shared / "data/instructions/alpaca_en_demo.json")))
    assert read_rows(Parquet(kind="parquet", url=write(parquet(rows, row_group_size=100)))) == rows
    assert read_rows(Arrow(kind="arrow", url=write(arrow(rows, pa.ipc.new_file, 100)))) == rows


def test_two_columns_of_one_name_are_refused(write: Write, refused: Refused) -> None:
    table, sink = pa.table([["x"], ["y"]], names=["a", "a"]), pa.BufferOutputStream()
    pq.write_table(table, sink)
    url = write(bytes(sink.getvalue()))
    assert refused(Parquet(kind="parquet", url=url)) == f"{url}: two columns are named 'a'; rename one of them (a, a)"
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    assert "two columns are named 'a'" in refused(Arrow(kind="arrow", url=write(bytes(sink.getvalue()))))


WHOLE = [{"text": "x" * 1000 + str(number)} for number in range(50)]


@pytest.mark.parametrize("content", [b"", b"PAR", b"text,label\nx,1\n", parquet(WHOLE)[:-500], b"ARROW1"])
def test_what_is_not_parquet_is_told(write: Write, content: bytes, refused: Refused) -> None:
    url = write(content)
    assert refused(Parquet(kind="parquet", url=url)).startswith(f"{url}: not Parquet, or damaged: ")


def test_damage_inside_parquet_is_told(write: Write, refused: Refused) -> None:
    content = bytearray(parquet(WHOLE, compression="snappy"))
    content[100:500] = bytes(400)
    assert ": not Parquet, or damaged: " in refused(Parquet(kind="parquet", url=write(bytes(content))))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ARROW1",
        b"text,label\nx,1\n",
        parquet(WHOLE),
        arrow(WHOLE, pa.ipc.new_file)[:-2000],
        arrow(WHOLE, pa.ipc.new_stream)[:-500],
    ],
    ids=["empty", "magic", "csv", "parquet", "cut file", "cut stream"],
)
def test_what_is_not_arrow_is_told(write: Write, content: bytes, refused: Refused) -> None:
    url = write(content)
    assert refused(Arrow(kind="arrow", url=url)).startswith(f"{url}: not Arrow IPC, or damaged: ")

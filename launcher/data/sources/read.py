"""Rows out of a source."""

from collections.abc import Callable, Iterator
from textwrap import shorten
from typing import Any

from launcher.data.headlines import headlines
from launcher.data.sources.columnar import arrow_rows, parquet_rows
from launcher.data.sources.delimited import delimited_rows
from launcher.data.sources.files import open_files
from launcher.data.sources.hub import hub_rows
from launcher.data.sources.json_rows import array_rows, line_rows
from launcher.data.sources.lines import document_rows, labelled_rows
from launcher.data.sources.stream import DataFile
from launcher.data.sources.values import Columns
from launcher.errors import InvalidInput
from launcher.recipe.data import (
    Arrow,
    Csv,
    Files,
    Headlines,
    HuggingFace,
    Json,
    Jsonl,
    LabelledLines,
    Parquet,
    PlainText,
    Source,
    Tsv,
)

READERS: dict[type, Callable[[DataFile, Any], Iterator[Columns]]] = {
    Csv: delimited_rows,
    Tsv: delimited_rows,
    Jsonl: line_rows,
    Json: array_rows,
    Parquet: parquet_rows,
    Arrow: arrow_rows,
    PlainText: document_rows,
    LabelledLines: labelled_rows,
}
"""How one file of a kind is read."""


def iter_rows(source: Source) -> Iterator[Columns]:
    """Rows of a source in its order, of which one record, row group or batch is in memory.

    Raises:
        InvalidInput: a file is missing, damaged, or in another encoding; a row does not parse; there is no row.
    """
    row = None
    for row in _rows(source):
        yield row
    if row is None:
        where, mend = _where(source)
        raise InvalidInput(f"{where}: no rows; {mend}")


def read_rows(source: Source) -> list[Columns]:
    """All rows of a source; errors as `iter_rows`."""
    return list(iter_rows(source))


def _rows(source: Source) -> Iterator[Columns]:
    match source:
        case Files():
            for file in open_files(source.url):
                yield from READERS[type(source)](file, source)
        case HuggingFace():
            yield from hub_rows(source)
        case Headlines():
            yield from headlines(source.rows_per_class, source.templates, source.seed)


def _where(source: Source) -> tuple[str, str]:
    """What a source is called, and how one without rows is mended."""
    if isinstance(source, Files):
        names = source.url if isinstance(source.url, str) else shorten(", ".join(source.url), 300)
        return names, "point url at a file that has some"
    return (source.dataset if isinstance(source, HuggingFace) else source.kind), "name a split that has some"

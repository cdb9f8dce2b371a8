"""Rows of Parquet and Arrow files, a row group or a record batch at a time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import TYPE_CHECKING

from launcher.data.sources.stream import DataFile
from launcher.data.sources.values import Columns, distinct
from launcher.errors import InvalidInput
from launcher.recipe.data import Arrow, Parquet

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1024
"""Rows that are Python objects at once."""

ARROW_FILE = b"ARROW1"
"""What an Arrow IPC file begins with, and a stream does not."""


def parquet_rows(file: DataFile, source: Parquet) -> Iterator[Columns]:
    from pyarrow.parquet import ParquetFile

    with _told(file.name, "Parquet"):
        parquet = ParquetFile(file.stream)
        distinct(parquet.schema_arrow.names, file.name)
        # Group by group: the reader fetches ahead whatever it is asked for, and that would be the whole file.
        for group in range(parquet.num_row_groups):
            for batch in parquet.iter_batches(BATCH, row_groups=[group]):
                yield from batch.to_pylist()


def arrow_rows(file: DataFile, source: Arrow) -> Iterator[Columns]:
    with _told(file.name, "Arrow IPC"):
        for batch in _record_batches(file):
            distinct(batch.schema.names, file.name)
            for start in range(0, batch.num_rows, BATCH):
                yield from batch.slice(start, BATCH).to_pylist()


def _record_batches(file: DataFile) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa

    begins_as_file = file.stream.read(len(ARROW_FILE)) == ARROW_FILE
    file.stream.seek(0, io.SEEK_SET)
    if not begins_as_file:
        yield from pa.ipc.open_stream(file.stream)
        return
    reader = pa.ipc.open_file(file.stream)
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput:
        raise
    except (OSError, ValueError, NotImplementedError) as error:  # Arrow's own errors are among these
        raise InvalidInput(
            f"{name}: not {what}, or damaged: {shorten(str(error), 300)}; fetch it again, or give its own kind"
        ) from error

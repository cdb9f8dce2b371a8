"""Rows of CSV and TSV files."""

import csv
from collections.abc import Iterator
from typing import Any

from launcher.data.sources.decode import decoded
from launcher.data.sources.stream import DataFile
from launcher.data.sources.values import Columns, distinct
from launcher.errors import InvalidInput
from launcher.recipe.data import Csv, Delimited, Tsv

DIALECTS: dict[type, dict[str, Any]] = {
    Csv: {"strict": True},
    Tsv: {"delimiter": "\t", "quoting": csv.QUOTE_NONE},
}


def delimited_rows(file: DataFile, source: Delimited) -> Iterator[Columns]:
    """Every cell is text; blank lines are none of the rows."""
    header = distinct(source.columns, file.name) if source.columns is not None else None
    with decoded(file, source.encoding, newline="") as text:
        reader = csv.reader(text, **DIALECTS[type(source)])
        try:
            for cells in reader:
                if not cells:
                    continue
                if header is None:
                    header = distinct(cells, file.name)
                elif len(cells) != len(header):
                    raise InvalidInput(
                        f"{file.name}:{reader.line_num}: {len(cells)} cells where {len(header)} columns are expected "
                        f"({', '.join(header)}); mend the row, or give columns: for a file without a header line"
                    )
                else:
                    yield dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise InvalidInput(
                f"{file.name}:{reader.line_num}: {error}; is the file quoted as its kind says?"
            ) from error

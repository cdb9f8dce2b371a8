"""What `launcher predict` is asked about: texts, lines, or rows of a file."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath

from launcher.data.dataset import unanswered_rows
from launcher.data.fields import input_fields
from launcher.data.rows import Row
from launcher.data.sources.read import iter_rows
from launcher.errors import InvalidInput
from launcher.recipe.data import Arrow, Csv, Json, Jsonl, Parquet, PlainText, Source, Tsv
from launcher.recipe.recipe import Recipe

STANDARD_INPUT = "-"
TABLES: dict[str, Callable[[str], Source]] = {
    ".csv": lambda url: Csv(kind="csv", url=url),
    ".tsv": lambda url: Tsv(kind="tsv", url=url),
    ".jsonl": lambda url: Jsonl(kind="jsonl", url=url),
    ".json": lambda url: Json(kind="json", url=url),
    ".parquet": lambda url: Parquet(kind="parquet", url=url),
    ".arrow": lambda url: Arrow(kind="arrow", url=url),
}
"""Files of rows with named columns, by the end of their names."""
PACKED = {".gz", ".bz2", ".xz", ".zst"}


def asked_rows(texts: Sequence[str], file: str | None, recipe: Recipe) -> Sequence[Row]:
    """The rows that a command line asks about.

    Args:
        texts: The texts themselves; where there are none, the file's are taken.
        file: A table with the recipe's columns, or a text a line; standard input where it is `-` or none is given.

    Raises:
        InvalidInput: texts and a file are given, or there is nothing to read; rows that the task cannot read.
    """
    if texts and file is not None:
        raise InvalidInput("--file: texts are given too; leave out either")
    if texts:
        return _alone(texts, recipe)
    if file is not None and file != STANDARD_INPUT:
        return _of_file(file, recipe)
    if file is None and sys.stdin.isatty():
        raise InvalidInput("TEXT: there is nothing to ask about; give texts, --file FILE, or lines on standard input")
    lines = [line.rstrip("\n") for line in sys.stdin if line.strip()]
    if not lines:
        raise InvalidInput("standard input: no line to ask about")
    return _alone(lines, recipe)


def _of_file(file: str, recipe: Recipe) -> Sequence[Row]:
    ends = [each.lower() for each in PurePath(file).suffixes if each.lower() not in PACKED]
    if ends and ends[-1] in TABLES:
        return list(unanswered_rows(TABLES[ends[-1]](file), recipe, "--file"))
    lines = PlainText(kind="text", url=file, documents="line")
    return _alone((str(line["text"]) for line in iter_rows(lines)), recipe)


def _alone(texts: Iterable[str], recipe: Recipe) -> list[Row]:
    """Rows of one field."""
    fields = input_fields(recipe.task)
    if len(fields) != 1:
        raise InvalidInput(
            f"{recipe.name} reads {len(fields)} fields ({', '.join(fields)}), not one text; give --file FILE.csv or "
            ".jsonl with these columns"
        )
    return [Row({fields[0]: text}, label=None) for text in texts]

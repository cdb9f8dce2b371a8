"""Rows of plain text: documents, and lines that end in their label."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TextIO

from launcher.data.sources.decode import decoded
from launcher.data.sources.stream import DataFile
from launcher.data.sources.values import Columns
from launcher.errors import InvalidInput
from launcher.recipe.data import LabelledLines, PlainText


def document_rows(file: DataFile, source: PlainText) -> Iterator[Columns]:
    """Documents in the column `text`, without those of white space alone; lines end in one line feed."""
    with decoded(file, source.encoding, newline=None) as text:
        for document in DOCUMENTS[source.documents](text):
            if document.strip():
                yield {"text": document}


def _whole(text: TextIO) -> Iterator[str]:
    yield text.read()


def _paragraphs(text: TextIO) -> Iterator[str]:
    for _, lines in groupby(text, key=lambda line: not line.strip()):
        yield "".join(lines).rstrip("\n")


def _lines(text: TextIO) -> Iterator[str]:
    for line in text:
        yield line.rstrip("\n")


DOCUMENTS: dict[str, Callable[[TextIO], Iterator[str]]] = {
    "file": _whole,
    "paragraph": _paragraphs,
    "line": _lines,
}


def labelled_rows(file: DataFile, source: LabelledLines) -> Iterator[Columns]:
    """What stands before the last separator of a line is the column `text`, what comes after it `label`.

    Lines end at line feeds alone: other line breaks of Unicode may stand inside a text.
    """
    with decoded(file, source.encoding, newline="\n") as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            content, separator, label = line.rstrip("\r\n").rpartition(source.separator)
            if not separator:
                raise InvalidInput(
                    f"{file.name}:{number}: no {source.separator!r} between text and label; "
                    "mend the line, or give the file's own separator"
                )
            yield {"text": content, "label": label}

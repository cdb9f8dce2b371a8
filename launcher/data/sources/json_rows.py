"""Rows of JSON: one object a line, or one array of objects a file, read an object at a time."""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from launcher.data.sources.decode import decoded
from launcher.data.sources.stream import DataFile
from launcher.data.sources.values import Columns
from launcher.errors import InvalidInput
from launcher.recipe.data import Json, Jsonl

CHUNK = 1 << 16
LONGEST_TOKEN = 16
"""More characters than a word of JSON or an escape has: an error as near to the end of a stretch may be its cut."""

BLANK = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


def line_rows(file: DataFile, source: Jsonl) -> Iterator[Columns]:
    """One object a line; blank lines are none of the rows."""
    with decoded(file, source.encoding, newline="\n") as text:
        for number, line in enumerate(text, 1):
            place = f"{file.name}:{number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                column = f":{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
                raise InvalidInput(
                    f"{place}{column}: not JSON: {_reason(error)}; write one JSON object a line"
                ) from None
            yield _object(row, place)


def array_rows(file: DataFile, source: Json) -> Iterator[Columns]:
    """The objects of a file's one array."""
    with decoded(file, source.encoding, newline="\n") as text:
        yield from _Array(text, file.name).objects()


def _object(value: Any, place: str) -> Columns:
    if not isinstance(value, dict):
        raise InvalidInput(f"{place}: a JSON object is expected, not a {type(value).__name__}")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


class _Array:
    """A JSON array, of which a stretch is in memory: one object, and at most as much again.

    Attributes:
        line, column: Where the stretch begins, counted from 1.
    """

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name = text, name
        self._stretch, self._at = "", 0
        self.line, self.column = 1, 1

    def objects(self) -> Iterator[Columns]:
        if not self._next():
            return
        if not self._passed("["):
            raise self._refused("an array of objects is expected; of a file with one object a line say kind: jsonl")
        if not self._passed("]"):
            yield self._object()
            while self._passed(","):
                yield self._object()
            if not self._passed("]"):
                reason = "a comma or ] is expected" if self._next() else "the file ends inside its array"
                raise self._refused(f"{reason}; mend the file, or fetch it again")
        if self._next():
            raise self._refused("something stands after the array; write one array a file")

    def _next(self) -> str:
        """The next character that is not blank, or nothing at the end of the file."""
        while True:
            blank = BLANK.match(self._stretch, self._at)
            assert blank is not None
            self._at = blank.end()
            if self._at < len(self._stretch) or not self._read_on():
                return self._stretch[self._at : self._at + 1]

    def _passed(self, mark: str) -> bool:
        """Whether the next character is this one; it then lies behind."""
        found = self._next() == mark
        self._at += found
        return found

    def _object(self) -> Columns:
        self._next()
        line, _ = self._place(self._at)
        return _object(self._value(), f"{self._name}:{line}")

    def _value(self) -> Any:
        while True:
            try:
                value, self._at = DECODER.raw_decode(self._stretch, self._at)
            except json.JSONDecodeError as error:
                open_string = error.msg.startswith("Unterminated string")
                cut = open_string or error.pos > len(self._stretch) - LONGEST_TOKEN
                if cut and self._read_on():
                    continue
                self._at = error.pos
                raise self._refused(f"not JSON: {error.msg}; mend the file, or fetch it again") from None
            except (ValueError, RecursionError) as error:
                raise self._refused(f"not JSON: {_reason(error)}; mend the file") from None
            return value

    def _read_on(self) -> bool:
        """Drop what was parsed and read more: twice as much each time, so that a long object is not parsed often."""
        more = self._text.read(max(CHUNK, len(self._stretch) - self._at))
        if more:
            self.line, self.column = self._place(self._at)
            self._stretch, self._at = self._stretch[self._at :] + more, 0
        return bool(more)

    def _place(self, at: int) -> tuple[int, int]:
        lines = self._stretch.count("\n", 0, at)
        return self.line + lines, at - self._stretch.rfind("\n", 0, at) if lines else self.column + at

    def _refused(self, why: str) -> InvalidInput:
        line, column = self._place(self._at)
        return InvalidInput(f"{self._name}:{line}:{column}: {why}")

"""Bytes of a file -> text, as it is read; a byte of another encoding is named with its line."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, cast

from launcher.data.sources.stream import DataFile
from launcher.errors import InvalidInput


@contextmanager
def decoded(file: DataFile, encoding: str, newline: str | None) -> Iterator[TextIO]:
    """The text of a file, to be read inside the block.

    Args:
        newline: Where lines end, as `io.TextIOWrapper` takes it.

    Raises:
        InvalidInput: the encoding is not known, or not the file's.
    """
    numbered = _Numbered(file)
    try:
        codec = codecs.lookup(encoding).name
        codec = "utf-8-sig" if codec == "utf-8" else codec
        text = io.TextIOWrapper(cast(BinaryIO, numbered), encoding=codec, newline=newline)
    except LookupError:
        raise InvalidInput(f"{file.name}: encoding {encoding!r} is not known; try utf-8 or latin-1") from None
    try:
        yield text
    except UnicodeDecodeError as error:
        line = numbered.lines + error.object.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"{file.name}:{line}: byte 0x{error.object[error.start]:02x} is not {encoding}; "
            "give the file's own encoding, such as encoding: latin-1"
        ) from None


class _Numbered(io.BufferedIOBase):
    """A file that knows how many lines came before the bytes it gave last: those that could not be decoded.

    Attributes:
        lines: Line breaks before them.
    """

    def __init__(self, file: DataFile) -> None:
        self._stream, self._last, self.lines = file.stream, b"", 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self.read1(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        self.lines += self._last.count(b"\n")
        self._last = self._stream.read(size)
        return self._last

"""An open file of a source: what goes wrong while it is read is told in one line, wherever that is."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

from launcher.errors import InvalidInput

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure"}

Tell = Callable[[str, Exception], InvalidInput]
"""The line that tells a user of an error with a file of this name."""


@contextmanager
def told(name: str, tell: Tell) -> Iterator[None]:
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # every store's client and every codec has errors of its own
        raise tell(name, error) from error


class ToldStream(io.RawIOBase):
    """A stream to read, whose errors are told."""

    def __init__(self, stream: Any, name: str, tell: Tell) -> None:
        self._stream, self._name, self._tell = stream, name, tell

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def read(self, size: int = -1, /) -> bytes:
        with told(self._name, self._tell):
            return bytes(self._stream.read(size))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._stream.seek(offset, whence))  # untold: zipfile finds out by it how short a file is

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        self._stream.close()
        super().close()


@dataclass(frozen=True, slots=True)
class DataFile:
    """An open file."""

    name: str
    """Its path or URL, as messages name it."""
    stream: ToldStream


def unreadable(name: str, error: Exception) -> InvalidInput:
    if isinstance(error, FileNotFoundError):
        return InvalidInput(f"{name}: no such file; relative paths start at the working directory")
    if isinstance(error, ImportError):
        extra = EXTRAS.get(name.partition("://")[0])
        mend = f"pip install 'llama-launcher[{extra}]'" if extra else "install what it names"
        return InvalidInput(f"{name}: {shorten(str(error), 200)}; {mend}")
    return InvalidInput(f"{name}: cannot be read: {_cause(error)}; give a path or URL of a file")


def damaged(name: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"{name}: cannot be unpacked: {_cause(error)}; fetch or pack it again, or give the file unpacked"
    )


def _cause(error: Exception) -> str:
    return shorten(str(error) or repr(error), 300)

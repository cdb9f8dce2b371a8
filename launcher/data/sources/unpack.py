"""Packed files, unpacked as they are read; the end of a name says how."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from launcher.data.sources.stream import DataFile, ToldStream, damaged, told
from launcher.errors import InvalidInput


def _zstd(stream: BinaryIO) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd")


CODECS: dict[str, Callable[[Any], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstd,
}

NOT_UNPACKED = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".7z", ".rar")


def unpacked(file: DataFile, path: str) -> Iterator[DataFile]:
    """The file itself, or what is packed in it.

    Args:
        path: Of the file in its store.

    Raises:
        InvalidInput: it is damaged, empty, locked, or packed in a way that is not known.
    """
    path = path.lower()
    suffix = PurePosixPath(path).suffix
    if path.endswith(NOT_UNPACKED):
        raise InvalidInput(f"{file.name}: such archives are not unpacked; unpack it, or pack its files as zip")
    if suffix == ".zip":
        yield from _members(file)
    elif suffix in CODECS:
        with told(file.name, damaged):
            opened = CODECS[suffix](file.stream)
        with ToldStream(opened, file.name, damaged) as stream:
            yield DataFile(file.name, stream)
    else:
        yield file


def _members(file: DataFile) -> Iterator[DataFile]:
    """All files of an archive, in its order, without those that hide; `zip://*.csv::archive.zip` chooses some."""
    with told(file.name, damaged):
        archive = zipfile.ZipFile(cast(BinaryIO, file.stream))
    members = [each for each in archive.infolist() if not each.is_dir() and not _hidden(each.filename)]
    if not members:
        raise InvalidInput(f"{file.name}: the archive holds no file; pack the data into it, or give another")
    for member in members:
        name = f"zip://{member.filename}::{file.name}"
        if PurePosixPath(member.filename.lower()).suffix in (".zip", *CODECS):
            raise InvalidInput(f"{name}: packed twice; unpack the archive, and give what it holds")
        with told(name, damaged):
            opened = archive.open(member)
        with ToldStream(opened, name, damaged) as stream:
            yield DataFile(name, stream)


def _hidden(name: str) -> bool:
    """What file managers leave in archives, such as `.DS_Store` and `__MACOSX/`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)

"""The files that a source's `url` names, open to be read."""

from collections.abc import Iterator
from typing import Any

from launcher.data.sources.stream import DataFile, ToldStream, told, unreadable
from launcher.data.sources.unpack import unpacked
from launcher.errors import InvalidInput

WEB = ("http://", "https://")


def open_files(url: str | list[str]) -> Iterator[DataFile]:
    """Each file in turn, unpacked, in the order of `url`; a glob's files by their names. One is open at a time.

    Raises:
        InvalidInput: a file is missing, cannot be read, or is damaged; a glob matches none.
    """
    found = [each for one in ([url] if isinstance(url, str) else url) for each in _found(one)]
    for fs, path, name in found:
        with told(name, unreadable):
            raw = fs.open(path, "rb")
        with ToldStream(raw, name, unreadable) as stream:
            yield from unpacked(DataFile(name, stream), path.partition("?")[0] if path.startswith(WEB) else path)


def _found(url: str) -> list[tuple[Any, str, str]]:
    """File system, path in it, and name of each file that a URL stands for."""
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    with told(url, unreadable):
        fs, path = url_to_fs(url)
        # A query begins with a question mark, and a file may well have brackets in its name.
        if path.startswith(WEB) or not set("*?[").intersection(path) or fs.exists(path):
            return [(fs, path, url)]
        paths = sorted(name for name, info in fs.glob(path, detail=True).items() if info["type"] == "file")
    if not paths:
        raise InvalidInput(f"{url}: no file matches; relative paths start at the working directory")
    return [(fs, each, each if isinstance(fs, LocalFileSystem) else fs.unstrip_protocol(each)) for each in paths]

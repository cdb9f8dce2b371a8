"""Files on a local or shared file system that are there whole, and durably, or not at all."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

TEMPORARY = ".tmp-"
Check = Callable[[Path], Future[None]]


def create(target: Path, data: bytes) -> None:
    """Write a new file; of several processes that try, one succeeds.

    Raises:
        FileExistsError: the file is already there, and stays as it is.
    """
    with _staged(target, io.BytesIO(data)) as temporary:
        os.link(temporary, target)


def write(target: Path, content: BinaryIO, check: Check | None = None) -> None:
    """Write a file, or put a new one in its place.

    Args:
        check: Begins to look at what was written, while the disk still takes it; what that raises, this raises.
    """
    with _staged(target, content, check) as temporary:
        os.replace(temporary, target)


def files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in no order; none where there is no folder."""
    for parent, _, names in os.walk(folder, onerror=_raise_unless_no_folder):
        yield from (Path(parent, name) for name in names if not name.startswith(TEMPORARY))


@contextmanager
def _staged(target: Path, content: BinaryIO, check: Check | None = None) -> Iterator[Path]:
    """A temporary file beside the target that holds the content, on the disk."""
    _make_folder(target.parent)
    temporary = target.with_name(f"{TEMPORARY}{uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            shutil.copyfileobj(content, file)
            file.flush()
            checked = check(temporary) if check else None
            try:
                os.fsync(file.fileno())
            finally:
                if checked is not None:
                    checked.result()
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(f"{folder} is a file, not a folder") from error
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_unless_no_folder(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error

"""A checkpoint's files on this machine, every byte of them verified."""

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from filelock import FileLock

from launcher.checkpoint.contents import Damaged, File
from launcher.storage.content import Content
from launcher.storage.download import download
from launcher.storage.retry import Retry
from launcher.storage.store import Store

FILES = 8
"""Verified or fetched at once."""
PARTS = 16
TRIES = 3
"""For a file that comes damaged; the same damage twice is what the store holds."""


def verified_files(store: Store, checkpoint: str, files: Sequence[File], folder: Path, retry: Retry) -> dict[str, Path]:
    """Where the files of a checkpoint are: in the store itself where that is a disk, and else fetched.

    Args:
        store: Its client tries once.
        checkpoint: Name of its folder.
        folder: On the machine's own disk, and of this run. Processes share it and fetch a checkpoint once; what is
            there of other checkpoints is removed.

    Raises:
        Damaged: a file is missing, or not as it was written; names it.
        StoreFailed: the store failed until the deadline.
    """
    target = folder / Path(checkpoint).name
    with ThreadPoolExecutor(FILES, "verify") as pool, ThreadPoolExecutor(PARTS, "fetch") as parts:
        if store.local_path(checkpoint) is not None:
            return _all(pool, partial(_in_place, store, checkpoint), files)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            for other in folder.iterdir():
                if other.is_dir() and other != target:
                    shutil.rmtree(other)
            find = partial(_fetched, store, checkpoint, target, retry=retry, parts=parts)
            return _all(pool, find, files)


def _all(pool: Executor, find: "partial[Path]", files: Sequence[File]) -> dict[str, Path]:
    return {file.name: path for file, path in zip(files, pool.map(find, files), strict=True)}


def _in_place(store: Store, checkpoint: str, file: File) -> Path:
    path = store.local_path(f"{checkpoint}/{file.name}")
    assert path is not None
    if (reason := _wrong(path, file)) is not None:
        raise Damaged(f"{path} {reason}")
    return path


def _fetched(store: Store, checkpoint: str, folder: Path, file: File, *, retry: Retry, parts: Executor) -> Path:
    path, name = folder / file.name, f"{checkpoint}/{file.name}"
    if _wrong(path, file) is None:  # from an earlier fetch, or kept when it was stored
        return path
    place = f"{store.location}/{name}"
    try:
        size = retry.call(place, lambda _: store.size(name))
        if size != file.size:
            raise Damaged(f"{place} {_sizes(size, file)}")
        seen: set[str] = set()
        for _ in range(TRIES):
            checksum = download(store, name, file.size, path, retry=retry, parts=parts)
            if checksum == file.xxh3_128:
                return path
            path.unlink()
            if checksum in seen:
                break
            seen.add(checksum)
    except FileNotFoundError:
        raise Damaged(f"{place} is missing") from None
    raise Damaged(f"{place} has another checksum than when it was written")


def _wrong(path: Path, file: File) -> str | None:
    """What is wrong with a file; None where it is as it was written."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return "is missing"
    try:
        size = os.fstat(descriptor).st_size
        if size != file.size:
            return _sizes(size, file)
        if Content(descriptor, size).xxh3_128() != file.xxh3_128:
            return "has another checksum than when it was written"
        return None
    finally:
        os.close(descriptor)


def _sizes(size: int, file: File) -> str:
    return f"has {size:,} bytes, and {file.size:,} were written"

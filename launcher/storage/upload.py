"""Storing a file and knowing that it arrived."""

import os
from concurrent.futures import Executor, Future
from pathlib import Path

from launcher.errors import LauncherError
from launcher.storage.content import Content
from launcher.storage.ranges import read_range
from launcher.storage.retry import Damaged, Retry
from launcher.storage.s3 import S3Object
from launcher.storage.store import Store

TRIES = 3
"""For a file that arrives damaged, and for a range that comes back damaged."""
RANGE = 8 << 20
"""Bytes that are read back at once."""


class NotAsWritten(LauncherError):
    """A disk gives back other bytes than were written; asking again does not help."""


def upload(store: Store, name: str, content: Content, retry: Retry, parts: Executor, *, read_back: bool) -> str:
    """Store a file, over what is there; when this returns, it has arrived whole and was verified.

    It is verified by the checksum of what arrived where the store tells one, and else by reading it back.

    Args:
        store: Its client tries once.
        parts: Sends several parts at once; another executor than the one this runs in.
        read_back: Read it back in any case.

    Returns:
        xxh3-128 in hexadecimal.

    Raises:
        StoreFailed: the store failed until the deadline.
        Damaged, NotAsWritten: it arrived damaged, time and again.
    """
    checksum = parts.submit(content.xxh3_128)
    for remaining in reversed(range(TRIES)):
        try:
            if store.local_path(name) is not None:
                _to_disk(store, name, content, checksum, retry=retry, parts=parts)
            elif not _to_object(store, name, content, retry, parts) or read_back:
                _compare(store, name, content, retry, parts)
            break
        except (Damaged, NotAsWritten):
            if not remaining:
                raise
    return checksum.result()


def _to_disk(
    store: Store, name: str, content: Content, checksum: Future[str], *, retry: Retry, parts: Executor
) -> None:
    """Read back while the disk still takes it: what is read is the same before as after."""
    place = f"{store.location}/{name}"

    def compare(written: Path) -> None:
        descriptor = os.open(written, os.O_RDONLY)
        try:
            size = os.fstat(descriptor).st_size
            if size != content.size or Content(descriptor, size).xxh3_128() != checksum.result():
                raise NotAsWritten(f"{place}: what was written differs; see to the disk")
        finally:
            os.close(descriptor)

    retry.call(place, lambda _: store.put(content.path, name, lambda written: parts.submit(compare, written)))


def _to_object(store: Store, name: str, content: Content, retry: Retry, parts: Executor) -> bool:
    """Returns whether the store told a checksum of what arrived, and it was right."""
    if store.is_s3:
        return S3Object(store, name, retry).send(content, parts)
    retry.call(f"{store.location}/{name}", lambda _: store.put(content.path, name))
    return False


def _compare(store: Store, name: str, content: Content, retry: Retry, parts: Executor) -> None:
    """Raises Damaged where what is stored is not the file."""
    place = f"{store.location}/{name}"
    size = retry.call(place, lambda _: store.size(name))
    if size != content.size:
        raise Damaged(f"{place}: {size:,} of {content.size:,} bytes arrived")

    def same(offset: int) -> bool:
        wanted = content.read(offset, RANGE)
        ask = lambda timeout: read_range(store, name, offset, len(wanted), timeout)  # noqa: E731
        return any(retry.call(place, ask) == wanted for _ in range(TRIES))

    offsets = range(0, content.size, RANGE)
    for offset, equal in zip(offsets, parts.map(same, offsets), strict=True):
        if not equal:
            raise Damaged(f"{place}: what was stored differs from byte {offset:,} on")

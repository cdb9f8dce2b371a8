"""Fetching a large object to a local file, in parts at once."""

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from launcher.storage.content import Content
from launcher.storage.local import TEMPORARY
from launcher.storage.ranges import read_range
from launcher.storage.retry import Damaged, Retry
from launcher.storage.store import Store

PART = 8 << 20
"""Bytes of a range."""


def download(store: Store, name: str, size: int, target: Path, *, retry: Retry, parts: Executor) -> str:
    """Fetch an object of a known size; the file is there whole, or not at all.

    Args:
        store: Its client tries once.
        parts: Fetches several ranges at once; another executor than the one this runs in.

    Returns:
        xxh3-128 of the file, in hexadecimal.

    Raises:
        FileNotFoundError: there is no such object.
        StoreFailed: the store failed until the deadline.
    """
    place = f"{store.location}/{name}"

    def fetch(offset: int) -> None:
        length = min(PART, size - offset)

        def attempt(timeout: float) -> bytes:
            data = read_range(store, name, offset, length, timeout)
            if len(data) < length:
                raise Damaged(f"{len(data)} of {length} bytes came from offset {offset}")
            return data

        os.pwrite(descriptor, retry.call(place, attempt), offset)

    with _file(target) as descriptor:
        for _ in parts.map(fetch, range(0, size, PART)):
            pass
        return Content(descriptor, size).xxh3_128()


@contextmanager
def _file(target: Path) -> Iterator[int]:
    """A temporary file in place of the target until the end. It is not synced: whoever uses it later verifies it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{TEMPORARY}{uuid4().hex}")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        yield descriptor
        os.replace(temporary, target)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)

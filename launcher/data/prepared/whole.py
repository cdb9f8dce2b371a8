"""Files that a manifest lists, fetched by parts and compared with it."""

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import xxhash

from launcher.data.prepared.fetch import fetch, fetchers, once, refusals
from launcher.data.prepared.manifest import Shard
from launcher.errors import InvalidInput, LauncherError
from launcher.storage.local import TEMPORARY
from launcher.storage.ranges import read_range
from launcher.storage.retry import Damaged, Retry, one_line
from launcher.storage.store import CannotWrite, Store

PART = 8 << 20
"""Bytes of a part."""
THREADS = 8
"""Parts that are fetched at once: this many are in memory at the most."""
MEND = "restore it, or prepare the data anew elsewhere"


def read_whole(store: Store, shard: Shard, retry: Retry | None = None) -> bytearray:
    """A file's bytes.

    Raises:
        InvalidInput: it is missing, or not what the manifest lists.
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses.
    """
    data = bytearray(shard.size)

    def put(offset: int, part: bytes) -> None:
        data[offset : offset + len(part)] = part

    _fetch_parts(store, shard, put, lambda: xxhash.xxh3_128_hexdigest(data), retry)
    return data


def keep_whole(store: Store, shard: Shard, target: Path, retry: Retry | None = None) -> None:
    """Copy a file to the disk, where it is whole or not at all.

    Raises:
        InvalidInput, StoreFailed, CannotRead: as `read_whole`.
        CannotWrite: the disk takes no more.
    """
    temporary = target.with_name(f"{TEMPORARY}{uuid4().hex}")

    def put(offset: int, part: bytes) -> None:
        with temporary.open("r+b") as file:
            file.seek(offset)
            file.write(part)

    try:
        temporary.touch(exist_ok=False)
        _fetch_parts(store, shard, put, lambda: file_digest(temporary), retry)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except LauncherError:
        raise
    except OSError as error:
        raise CannotWrite(f"{target} cannot be written: {one_line(error)}; make room there") from error
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """xxh3_128 of a file, in hexadecimal, with one part in memory."""
    state = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        while part := file.read(PART):
            state.update(part)
    return state.hexdigest()


def check_size(place: str, found: int, shard: Shard) -> None:
    """Raises InvalidInput where the manifest lists another size."""
    if found != shard.size:
        raise InvalidInput(f"{place} has {found:,} bytes, and the manifest says {shard.size:,}; {MEND}")


def check_digest(place: str, found: str, shard: Shard) -> None:
    """Raises InvalidInput where the manifest lists another checksum."""
    if found != shard.xxh3_128:
        raise InvalidInput(f"{place} has the checksum {found}, and the manifest says {shard.xxh3_128}; {MEND}")


def not_there(place: str) -> InvalidInput:
    """The error of a file that is missing."""
    return InvalidInput(f"{place} is not there, and the manifest lists it; {MEND}")


def _fetch_parts(
    store: Store, shard: Shard, put: Callable[[int, bytes], None], digest: Callable[[], str], retry: Retry | None
) -> None:
    """Hand every part of a file to `put`, with its offset, until the `digest` of all is what the manifest lists.

    Only the whole file has a checksum. So where the whole is wrong, every part is asked for again until two answers
    agree: damage on the way differs each time, and what agrees is what the store holds.
    """
    place = f"{store.location}/{shard.name}"
    single = once(store)
    found = ""
    for agreeing in (1, 2):
        with fetchers(THREADS, retry or Retry()) as (pool, patient):

            def part(offset: int, agreeing: int = agreeing, patient: Retry = patient) -> None:
                put(offset, _part(single, shard, offset, agreeing, patient))

            for _ in pool.map(part, range(0, shard.size + 1, PART)):
                pass
        found = digest()
        if found == shard.xxh3_128:
            return
    check_digest(place, found, shard)


def _part(store: Store, shard: Shard, offset: int, agreeing: int, retry: Retry) -> bytes:
    """The part from `offset` on, as so many answers say.

    The last part asks for a byte beyond the end, which tells a file that grew.
    """
    place = f"{store.location}/{shard.name}"
    length = min(PART, shard.size - offset)
    beyond = offset + length == shard.size and length < PART
    seen: dict[bytes, int] = {}

    def ask(timeout: float) -> bytes:
        data = read_range(store, shard.name, offset, length + beyond, timeout)
        if len(data) == length:
            key = xxhash.xxh3_128_digest(data)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] < agreeing:
                raise Damaged(f"no {agreeing} answers agree")
        return data

    def wrong(data: bytes) -> str | None:
        return None if len(data) == length else f"{len(data)} of {length} bytes came at {offset}"

    def refused(reason: str) -> InvalidInput:
        return InvalidInput(f"{place} has not the {shard.size:,} bytes of the manifest ({reason}); {MEND}")

    with refusals(place, "see that it may be read"):
        try:
            return fetch(retry, place, ask, wrong, refused)
        except FileNotFoundError:
            raise not_there(place) from None

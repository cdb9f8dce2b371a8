"""A prepared data set as it stands in a store, against what its manifest says."""

from collections.abc import Callable

import numpy as np
import xxhash

from launcher.data.prepared.fetch import fetch, once, refusals
from launcher.data.prepared.manifest import MANIFEST, BlockIndex, Manifest
from launcher.data.prepared.whole import MEND, read_whole
from launcher.errors import InvalidInput
from launcher.storage.ranges import read_range
from launcher.storage.retry import Retry
from launcher.storage.store import Store

LARGEST = 1 << 28
"""Bytes of a manifest at the most; the shards of a trillion tokens take a tenth."""


def read_manifest(store: Store, retry: Retry | None = None) -> Manifest:
    """The manifest of a prepared data set.

    Raises:
        InvalidInput: there is none, or it is damaged.
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses.
    """
    manifest = find_manifest(store, retry)
    if manifest is None:
        place = f"{store.location}/{MANIFEST}"
        raise InvalidInput(f"{place} is not there: `launcher prepare` was not finished, or not begun")
    return manifest


def find_manifest(store: Store, retry: Retry | None = None) -> Manifest | None:
    """The manifest where there is one; raises as `read_manifest`."""
    place = f"{store.location}/{MANIFEST}"
    single = once(store)

    def wrong(data: bytes) -> str | None:
        try:
            Manifest.from_json(data, place)
        except InvalidInput as invalid:
            return str(invalid)
        return None

    def ask(timeout: float) -> bytes:
        return read_range(single, MANIFEST, 0, LARGEST, timeout)

    with refusals(place, "see that it may be read"):
        try:
            return Manifest.from_json(fetch(retry or Retry(), place, ask, wrong, InvalidInput), place)
        except FileNotFoundError:
            return None


def read_index(store: Store, manifest: Manifest, retry: Retry | None = None) -> BlockIndex:
    """The index, verified and in memory.

    Raises:
        InvalidInput: it is missing or damaged.
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses.
    """
    return BlockIndex(read_whole(store, manifest.index, retry))


def check_totals(store: Store, manifest: Manifest, index: BlockIndex) -> None:
    """Raises InvalidInput where index and manifest count differently."""
    totals = (len(index), int(index.rows.sum(dtype="int64")), int(index.tokens.sum()))
    if totals != (manifest.totals.blocks, manifest.totals.documents, manifest.totals.tokens):
        raise InvalidInput(f"{store.location}/{manifest.index.name} does not add up to the manifest's totals; {MEND}")


def verify(store: Store, retry: Retry | None = None, show: Callable[[int, int], None] | None = None) -> Manifest:
    """Read a whole data set again and compare every file with the manifest, and every block with the index.

    One file is in memory at a time.

    Args:
        show: Is told, after each shard, the bytes of those that are done and of all.

    Raises:
        InvalidInput: the first difference, with its file.
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses.
    """
    store = once(store)
    manifest = read_manifest(store, retry)
    index = read_index(store, manifest, retry)
    check_totals(store, manifest, index)
    done, total = 0, sum(shard.size for shard in manifest.shards)
    starts = np.searchsorted(index.shard, np.arange(len(manifest.shards) + 1)).tolist()
    for number, shard in enumerate(manifest.shards):
        data = memoryview(read_whole(store, shard, retry))
        for block in range(starts[number], starts[number + 1]):
            offset, length = int(index.offset[block]), int(index.length[block])
            if xxhash.xxh3_64_intdigest(data[offset : offset + length]) != index.checksum[block]:
                raise InvalidInput(f"{store.location}/{shard.name}: block {block} at {offset} is damaged; {MEND}")
        done += shard.size
        if show is not None:
            show(done, total)
    return manifest

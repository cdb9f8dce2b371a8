"""Reading the blocks of a prepared data set: verified, from any store, ahead of whoever uses them."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import xxhash

from launcher.data.prepared.block import BlockData, decode_block
from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.manifest import BlockIndex, Manifest
from launcher.errors import LauncherError
from launcher.storage.client import single_try
from launcher.storage.ranges import read_range
from launcher.storage.retry import Damaged, Retry, one_line
from launcher.storage.store import Store

THREADS = 8
"""Blocks that are fetched at once."""
SAME_ANSWERS = 3
"""The same wrong bytes so often are what the store holds; damage on the way differs each time."""


class CorruptBlock(LauncherError):
    """A block is not what its index says, however often it is fetched."""

    def __init__(self, block: int, place: str, reason: str) -> None:
        super().__init__(block, place, reason)
        self.block = block
        self._told = f"{place} is corrupt: {reason}; prepare the data anew elsewhere, or quarantine the block"

    def __str__(self) -> str:
        return self._told


class CannotRead(LauncherError, OSError):
    """A store refuses a block, in a way that will not pass."""


class Closed(LauncherError):
    """The reader was closed in the middle of a fetch."""


class BlockReader:
    """Blocks by their number; any thread may ask. Closing it ends what is under way."""

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        index: BlockIndex,
        *,
        cache: BlockCache | None = None,
        retry: Retry | None = None,
        threads: int = THREADS,
    ) -> None:
        """Nothing is read yet.

        Args:
            store: The folder of the manifest.
            cache: Where blocks are kept; none is needed for data on a local disk.
        """
        self._store = single_try(store)
        self._manifest = manifest
        self._index = index
        self._cache = cache
        self._folder = manifest.digest[:32]
        self._closed = threading.Event()
        self._retry = replace(retry or Retry(), sleep=self._pause)
        self._pool = ThreadPoolExecutor(threads, "read-block")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End retries at once; requests under way end by themselves, and nobody waits for them."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def ahead(self, blocks: Iterable[int], window: int) -> Iterator[tuple[int, Future[BlockData]]]:
        """The blocks in the order that is asked for, with `window` of them fetched ahead of each.

        A result raises what `read` would; the blocks after it come all the same.
        """
        waiting: deque[tuple[int, Future[BlockData]]] = deque()
        try:
            for block in blocks:
                waiting.append((block, self._pool.submit(self.read, block)))
                if len(waiting) > window:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()

    def read(self, block: int) -> BlockData:
        """The documents of a block.

        Raises:
            CorruptBlock: its bytes are not those that were prepared; names shard, block and offset.
            StoreFailed: the store failed until the deadline.
            CannotRead: the store refuses, or the shard is not there.
        """
        try:
            data = self._cached(block)
        except LauncherError:
            raise
        except Exception as error:  # every store's client has errors of its own
            mend = "see that the shard is there and may be read"
            raise CannotRead(f"{self._place(block)} cannot be read: {one_line(error)}; {mend}") from error
        try:
            decoded = decode_block(data)
        except ValueError as error:
            raise CorruptBlock(block, self._place(block), one_line(error)) from error
        found = len(decoded.starts) - 1, len(decoded.input_ids)
        told = int(self._index.rows[block]), int(self._index.tokens[block])
        if found != told:
            reason = "{} documents of {} tokens are there, {} of {} in the index".format(*found, *told)
            raise CorruptBlock(block, self._place(block), reason)
        return decoded

    def _cached(self, block: int) -> bytes:
        if self._cache is None:
            return self._fetch(block)
        key = f"{self._folder}/{block:08d}"
        return self._cache.fetch(key, int(self._index.checksum[block]), lambda: self._fetch(block))

    def _fetch(self, block: int) -> bytes:
        index, name = self._index, self._shard(block)
        offset, length, checksum = (int(column[block]) for column in (index.offset, index.length, index.checksum))
        answers: Counter[tuple[int, int]] = Counter()

        def attempt(timeout: float) -> bytes:
            data = read_range(self._store, name, offset, length, timeout)
            answer = len(data), xxhash.xxh3_64_intdigest(data)
            if answer == (length, checksum):
                return data
            reason = f"{len(data)} of {length} bytes came" if len(data) < length else "its checksum differs"
            answers[answer] += 1
            if answers[answer] == SAME_ANSWERS:
                raise CorruptBlock(block, self._place(block), reason)
            raise Damaged(reason)

        return self._retry.call(self._place(block), attempt)

    def _shard(self, block: int) -> str:
        return self._manifest.shards[int(self._index.shard[block])].name

    def _place(self, block: int) -> str:
        return f"{self._store.location}/{self._shard(block)}, block {block} at offset {self._index.offset[block]}"

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise Closed("the reader of blocks is closed")

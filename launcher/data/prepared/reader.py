"""Reading the blocks of a prepared data set: verified, from any store, ahead of whoever uses them."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Self

import xxhash

from launcher.data.prepared.block import BlockData
from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.decoders import DECODERS, Span, Undecodable
from launcher.data.prepared.fetch import CannotRead, Closed, fetch, fetchers, once, refusals
from launcher.data.prepared.manifest import BlockIndex, Manifest
from launcher.errors import LauncherError
from launcher.storage.ranges import read_range
from launcher.storage.retry import Retry, one_line
from launcher.storage.store import Store

__all__ = ["BlockReader", "CannotRead", "Closed", "CorruptBlock"]

THREADS = 8
"""Blocks that are fetched at once."""


class CorruptBlock(LauncherError):
    """A block is not what its index says, however often it is fetched."""

    def __init__(self, block: int, place: str, reason: str) -> None:
        super().__init__(block, place, reason)
        self.block = block
        self._told = f"{place} is corrupt: {reason}; prepare the data anew elsewhere, or quarantine the block"

    def __str__(self) -> str:
        return self._told


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
        self._store = once(store)
        self._manifest = manifest
        self._index = index
        self._cache = cache
        self._folder = manifest.digest[:32]
        self._decode = DECODERS[manifest.format](manifest, index, self._bytes)
        self._open = ExitStack()
        self._pool, self._retry = self._open.enter_context(fetchers(threads, retry or Retry()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End retries at once; requests under way end by themselves, and nobody waits for them."""
        self._open.close()

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
        index = self._index
        columns = (index.shard, index.offset, index.length, index.checksum)
        span = Span(f"block {block}", *(int(column[block]) for column in columns))
        place = self._place(span)
        with refusals(place, "see that the shard is there and may be read"):
            try:
                decoded = self._decode(block, self._bytes(span))
            except Undecodable as error:
                raise CorruptBlock(block, place, one_line(error)) from error
            except _Corrupt as corrupt:
                raise CorruptBlock(block, *corrupt.args) from None
        found = len(decoded.starts) - 1, len(decoded.input_ids)
        told = int(index.rows[block]), int(index.tokens[block])
        if found != told:
            reason = "{} documents of {} tokens are there, {} of {} in the index".format(*found, *told)
            raise CorruptBlock(block, place, reason)
        return decoded

    def _bytes(self, span: Span) -> bytes:
        """From the cache, or else from the store."""
        if self._cache is None:
            return self._fetch(span)
        key = f"{self._folder}/{span.shard:06d}-{span.offset}"
        return self._cache.fetch(key, span.checksum, lambda: self._fetch(span))

    def _fetch(self, span: Span) -> bytes:
        place, name = self._place(span), self._manifest.shards[span.shard].name

        def ask(timeout: float) -> bytes:
            return read_range(self._store, name, span.offset, span.length, timeout)

        def wrong(data: bytes) -> str | None:
            if len(data) < span.length:
                return f"{len(data)} of {span.length} bytes came"
            return None if xxhash.xxh3_64_intdigest(data) == span.checksum else "its checksum differs"

        return fetch(self._retry, place, ask, wrong, lambda reason: _Corrupt(place, reason))

    def _place(self, span: Span) -> str:
        name = self._manifest.shards[span.shard].name
        return f"{self._store.location}/{name}, {span.what} at offset {span.offset}"


class _Corrupt(Exception):
    """Place and reason, for whatever block needs these bytes."""

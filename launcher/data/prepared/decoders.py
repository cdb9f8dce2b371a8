"""How the bytes of a block become documents, by the format of the data set."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from launcher.data.prepared.block import BlockData, decode_block
from launcher.data.prepared.manifest import BlockIndex, Manifest
from launcher.data.prepared.row_groups import RowGroups

FOOTERS = 1024
"""Footers that stay in memory, decoded."""
TURNS = 16
"""Locks that footers share; of two with the same one, one is fetched after the other."""


class Undecodable(Exception):
    """The bytes of a block hold no documents."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of a shard."""

    what: str
    """In words."""
    shard: int
    offset: int
    length: int
    checksum: int
    """Their xxh3_64."""


Fetch = Callable[[Span], bytes]
"""The bytes of a span, verified."""
Decode = Callable[[int, bytes], BlockData]
"""The documents of a block from its bytes, by any thread; raises Undecodable."""


def arrow_blocks(manifest: Manifest, index: BlockIndex, fetch: Fetch) -> Decode:
    """A block is a record batch, which tells all about itself."""

    def decode(block: int, data: bytes) -> BlockData:
        try:
            return decode_block(data)
        except ValueError as error:
            raise Undecodable(str(error)) from error

    return decode


def parquet_blocks(manifest: Manifest, index: BlockIndex, fetch: Fetch) -> Decode:
    """A block is a row group. How to read it stands in the footer of its file, which is fetched once."""
    turns = [threading.Lock() for _ in range(TURNS)]

    @lru_cache(FOOTERS)
    def row_groups(shard: int) -> RowGroups:
        size, footer = manifest.shards[shard].size, manifest.footers[shard]
        data = fetch(Span("footer", shard, size - footer.length, footer.length, int(footer.xxh3_64, 16)))
        return RowGroups.of_footer(data, size)

    def decode(block: int, data: bytes) -> BlockData:
        shard = int(index.shard[block])
        with turns[shard % TURNS]:
            groups = row_groups(shard)
        try:
            return groups.decode(data, block - int(np.searchsorted(index.shard, shard)))
        except (pa.ArrowException, OSError) as error:
            raise Undecodable(f"no row group of documents ({error})") from error

    return decode


DECODERS: dict[str, Callable[[Manifest, BlockIndex, Fetch], Decode]] = {
    "arrow": arrow_blocks,
    "parquet": parquet_blocks,
}

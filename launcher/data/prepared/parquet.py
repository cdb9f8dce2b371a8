"""Parquet files of token ids, read where they are: a block is a row group, and only index and manifest are added."""

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from launcher.data.prepared.block import BlockData
from launcher.data.prepared.fetch import once, read_object
from launcher.data.prepared.fingerprint import fingerprint
from launcher.data.prepared.finish import finish
from launcher.data.prepared.manifest import Manifest, Shard
from launcher.data.prepared.row_groups import RowGroups, footer_of
from launcher.data.prepared.shards import Receipt, index_rows
from launcher.data.prepared.wanted import Wanted
from launcher.errors import InvalidInput
from launcher.recipe.task import Task
from launcher.storage.retry import Retry
from launcher.storage.store import Store

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def index_parquet(
    store: Store,
    task: Task,
    tokenizer: "PreTrainedTokenizerBase",
    show: Callable[[int, int], None] | None = None,
    retry: Retry | None = None,
) -> Manifest:
    """Index all Parquet files below a folder, and store index and manifest there; one file is in memory at a time.

    Args:
        task: what the documents and their labels are for.
        tokenizer: what the tokens were made with.
        show: is told, after each file, how many are done and how many there are.

    Raises:
        InvalidInput: no such file, one that does not hold documents of this task and tokenizer, or another data set is
            there.
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses.
    """
    names = [name for name in store.list() if name.endswith(".parquet")]
    wanted = Wanted.of(task, len(tokenizer))
    single = once(store)
    receipts, footers = [], []
    for number, name in enumerate(names):
        data = read_object(single, name, retry)
        receipts.append(_receipt(f"{store.location}/{name}", name, number, data, wanted))
        footers.append(footer_of(data))
        if show is not None:
            show(number + 1, len(names))
    if not sum(receipt.documents for receipt in receipts):
        raise InvalidInput(f"{store.location} holds no document in a .parquet file; give the folder of some")
    own = fingerprint(tokenizer)
    made_of = hashlib.sha256(repr((task.kind, own, [receipt.shard for receipt in receipts])).encode()).hexdigest()
    longest = max(int(receipt.blocks["lengths"].values.to_numpy().max(initial=0)) for receipt in receipts)
    return finish(
        store,
        receipts,
        format="parquet",
        task=task.kind,
        made_of=made_of,
        max_length=longest,
        tokenizer=own,
        footers=footers,
    )


def _receipt(place: str, name: str, number: int, data: bytes, wanted: Wanted) -> Receipt:
    """What is in a file."""
    shard = Shard(name, len(data), xxhash.xxh3_128_hexdigest(data))
    blocks = []
    for group, (offset, length, documents) in enumerate(_decoded(data, place)):
        wanted.check(documents, f"{place}, row group {group}")
        blocks.append((offset, length, np.diff(documents.starts).tolist()))
    return Receipt(shard, index_rows(number, blocks, memoryview(data)), masked=0, truncated=0)


def _decoded(data: bytes, place: str) -> Iterator[tuple[int, int, BlockData]]:
    """Span and documents of each row group."""
    try:
        groups = RowGroups(pq.read_metadata(pa.BufferReader(data)), len(data))
        for group in range(len(groups)):
            offset, length = groups.span(group)
            yield offset, length, groups.decode(data[offset : offset + length], group)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(
            f"{place} cannot be read as token ids: {reason}; give Parquet with a column input_ids of lists"
        ) from error

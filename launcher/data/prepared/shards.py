"""A shard: documents as token ids in an Arrow IPC file, and the receipt that tells what is in it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from launcher.data.encode.example import Example
from launcher.data.prepared.block import SCHEMA
from launcher.data.prepared.manifest import INDEX_SCHEMA, Shard

NUMBER_BYTES = 4
"""Of a token or label."""
CHECKSUM_BYTES = 16
"""In front of a receipt: its xxh3_128."""


@dataclass(frozen=True, slots=True)
class BlockSize:
    """A block, the smallest part that is read, ends with the document that reaches either limit."""

    documents: int = 1000
    bytes: int = 4 << 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is in a shard, kept beside it: who finds it need not read or make the shard again."""

    shard: Shard
    blocks: pa.RecordBatch
    """Rows of the index."""
    masked: int
    truncated: int

    @property
    def documents(self) -> int:
        return int(self.blocks["rows"].to_numpy().sum())

    @property
    def tokens(self) -> int:
        return int(self.blocks["tokens"].to_numpy().sum())

    def to_bytes(self) -> bytes:
        """An Arrow file, behind its own checksum."""
        told = {"shard": asdict(self.shard), "masked": self.masked, "truncated": self.truncated}
        data = _file([self.blocks], INDEX_SCHEMA.with_metadata({"receipt": json.dumps(told)}))
        return xxhash.xxh3_128_digest(data) + data

    @classmethod
    def find(cls, data: bytes, name: str) -> "Receipt | None":
        """What `to_bytes` wrote of the shard of this name; None where the bytes are damaged, or of another shard."""
        if xxhash.xxh3_128_digest(data[CHECKSUM_BYTES:]) != data[:CHECKSUM_BYTES]:
            return None
        receipt = cls.from_bytes(data)
        return receipt if receipt.shard.name == name else None

    @classmethod
    def from_bytes(cls, data: bytes) -> "Receipt":
        """The very bytes of `to_bytes`."""
        reader = pa.ipc.open_file(pa.py_buffer(data)[CHECKSUM_BYTES:])
        told = json.loads(reader.schema.metadata[b"receipt"])
        blocks = reader.get_batch(0).replace_schema_metadata(None)
        return cls(Shard(**told["shard"]), blocks, told["masked"], told["truncated"])


def write_shard(name: str, number: int, examples: Iterable[Example], size: BlockSize) -> tuple[bytes, Receipt]:
    """A shard's bytes, equal for equal examples, and its receipt; one block of examples is in memory at a time.

    Examples without a token or a label that counts are left out, and counted as masked.

    Args:
        name: below the manifest's folder.
        number: place among the shards.
    """
    masked = truncated = 0

    def kept() -> Iterator[Example]:
        nonlocal masked, truncated
        for example in examples:
            if example.input_ids and example.label_tokens:
                truncated += example.truncated
                yield example
            else:
                masked += 1

    sink, rows = pa.BufferOutputStream(), []
    with pa.ipc.new_file(sink, SCHEMA) as writer:
        for block in _blocks(kept(), size):
            batch = pa.record_batch(
                [_lists([getattr(each, field) for each in block]) for field in SCHEMA.names], SCHEMA
            )
            writer.write_batch(batch)
            length = pa.ipc.get_record_batch_size(batch)
            rows.append((sink.tell() - length, length, [len(each.input_ids) for each in block]))
    data = sink.getvalue().to_pybytes()
    shard = Shard(name, len(data), xxhash.xxh3_128_hexdigest(data))
    return data, Receipt(shard, index_rows(number, rows, memoryview(data)), masked, truncated)


def index_bytes(receipts: Iterable[Receipt]) -> bytes:
    """The index of all shards, in their order."""
    table = pa.Table.from_batches([receipt.blocks for receipt in receipts], INDEX_SCHEMA)
    return _file(table.combine_chunks().to_batches(), INDEX_SCHEMA)


def index_rows(number: int, rows: Sequence[tuple[int, int, list[int]]], data: memoryview) -> pa.RecordBatch:
    """Rows of the index for shard `number`, from the offset, length and documents' tokens of each of its blocks."""
    columns: dict[str, list[Any]] = {
        "shard": [number] * len(rows),
        "offset": [offset for offset, _, _ in rows],
        "length": [length for _, length, _ in rows],
        "rows": [len(lengths) for _, _, lengths in rows],
        "tokens": [sum(lengths) for _, _, lengths in rows],
        "xxh3_64": [xxhash.xxh3_64_intdigest(data[offset : offset + length]) for offset, length, _ in rows],
        "lengths": [lengths for _, _, lengths in rows],
    }
    return pa.RecordBatch.from_pydict(columns, INDEX_SCHEMA)


def _blocks(examples: Iterable[Example], size: BlockSize) -> Iterator[list[Example]]:
    block: list[Example] = []
    numbers = 0
    for example in examples:
        block.append(example)
        numbers += len(example.input_ids) + len(example.labels)
        if len(block) == size.documents or numbers * NUMBER_BYTES >= size.bytes:
            yield block
            block, numbers = [], 0
    if block:
        yield block


def _lists(lists: Sequence[Sequence[int]]) -> pa.LargeListArray:
    starts = np.fromiter(accumulate(map(len, lists), initial=0), np.int64, len(lists) + 1)
    return pa.LargeListArray.from_arrays(starts, np.fromiter(chain.from_iterable(lists), np.int32, starts[-1]))


def _file(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())

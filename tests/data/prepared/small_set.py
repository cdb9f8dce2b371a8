"""A small prepared data set, made without the code that prepares them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import xxhash

from launcher.data.prepared.block import SCHEMA, BlockData
from launcher.data.prepared.manifest import INDEX_SCHEMA, MANIFEST, BlockIndex, Manifest, Shard, Totals
from launcher.storage.store import Store

Documents = list[list[int]]


@dataclass(frozen=True)
class SmallSet:
    """`documents` of each block; their labels are the tokens, plus one."""

    store: Store
    manifest: Manifest
    index: BlockIndex
    documents: list[Documents]

    @classmethod
    def write(cls, store: Store, *, shards: int = 3, blocks: int = 8, seed: int = 0) -> Self:
        """Write shards of so many blocks each, index and manifest."""
        random = np.random.default_rng(seed)
        documents = [
            [random.integers(0, 32_000, size).tolist() for size in random.integers(1, 200, random.integers(1, 40))]
            for _ in range(shards * blocks)
        ]
        rows: list[dict[str, object]] = []
        listed = []
        for number in range(shards):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_file(sink, SCHEMA) as writer:
                for block in documents[number * blocks : (number + 1) * blocks]:
                    labels = [[token + 1 for token in document] for document in block]
                    batch = pa.record_batch([block, labels], schema=SCHEMA)
                    writer.write_batch(batch)
                    length = pa.ipc.get_record_batch_size(batch)
                    rows.append(_row(number, sink.tell() - length, length, block))
            data = sink.getvalue().to_pybytes()
            for row in rows[number * blocks :]:
                start = int(str(row["offset"]))
                row["xxh3_64"] = xxhash.xxh3_64_intdigest(data[start : start + int(str(row["length"]))])
            shard = Shard(f"shards/{number:05d}.arrow", len(data), xxhash.xxh3_128_hexdigest(data))
            store.write(shard.name, data)
            listed.append(shard)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, INDEX_SCHEMA) as writer:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, INDEX_SCHEMA))
        index = sink.getvalue().to_pybytes()
        tokens = sum(len(document) for block in documents for document in block)
        manifest = Manifest(
            version=1,
            format="arrow",
            task="language_modelling",
            made_of="",
            max_length=200,
            tokenizer="",
            columns={},
            totals=Totals(sum(map(len, documents)), tokens, len(documents), 0, 0),
            shards=listed,
            index=Shard("index.arrow", len(index), xxhash.xxh3_128_hexdigest(index)),
        )
        store.write(manifest.index.name, index)
        store.write(MANIFEST, manifest.to_json())
        return cls(store, manifest, BlockIndex(index), documents)

    def damage(self, block: int) -> None:
        """Flip one bit in a block, where it is stored."""
        name = self.manifest.shards[int(self.index.shard[block])].name
        data = bytearray(self.store.read(name))
        data[int(self.index.offset[block]) + int(self.index.length[block]) - 70] ^= 4
        self.store.write(name, bytes(data))

    def holds(self, block: int, data: BlockData) -> bool:
        """Whether this is the block, with its labels."""
        documents = [
            data.input_ids[start:end].tolist() for start, end in zip(data.starts, data.starts[1:], strict=False)
        ]
        labels = [
            data.labels[start:end].tolist()
            for start, end in zip(data.label_starts, data.label_starts[1:], strict=False)
        ]
        expected = [[token + 1 for token in document] for document in self.documents[block]]
        return documents == self.documents[block] and labels == expected


def _row(shard: int, offset: int, length: int, block: Documents) -> dict[str, object]:
    lengths = [len(document) for document in block]
    tokens = sum(lengths)
    return {
        "shard": shard,
        "offset": offset,
        "length": length,
        "rows": len(lengths),
        "tokens": tokens,
        "lengths": lengths,
    }

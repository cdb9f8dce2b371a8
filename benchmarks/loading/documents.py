"""The documents that every loader reads: random tokens of log-normal lengths, as a flat file and as a prepared set."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from launcher.data.prepared.block import SCHEMA
from launcher.data.prepared.finish import finish
from launcher.data.prepared.manifest import Shard
from launcher.data.prepared.shards import BlockSize, Receipt, index_rows
from launcher.storage.store import Store

MEAN, SIGMA, LONGEST = 163, 0.8, 2048
"""Tokens of a document, and the standard deviation of their logarithm."""
VOCABULARY = 32_000
SHARD_DOCUMENTS = 20_000


@dataclass(frozen=True, slots=True)
class Documents:
    """Document `i` is `tokens[starts[i]:starts[i + 1]]`; tokens are uint16 and mapped from `folder/tokens.npy`."""

    folder: Path
    tokens: npt.NDArray[np.uint16]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def prepared(self) -> Store:
        """The same documents as `launcher prepare` stores them."""
        return Store.open(str(self.folder / "prepared"))


def lengths(count: int, mean: float = MEAN, sigma: float = SIGMA, longest: int = LONGEST) -> npt.NDArray[np.int64]:
    """Log-normal, the same ones each time."""
    drawn = np.random.default_rng(0).lognormal(np.log(mean) - sigma**2 / 2, sigma, count)
    return drawn.clip(1, longest).astype(np.int64)


def make(folder: Path, count: int) -> Documents:
    """Write documents into a new folder, flat and prepared; labels are the tokens, as for continued pretraining."""
    folder.mkdir(parents=True)
    starts = np.concatenate([[0], np.cumsum(lengths(count))])
    np.save(folder / "starts.npy", starts)
    np.save(folder / "tokens.npy", np.random.default_rng(1).integers(0, VOCABULARY, int(starts[-1]), dtype=np.uint16))
    documents = Documents(folder, np.load(folder / "tokens.npy", mmap_mode="r"), starts)
    receipts = [
        _shard(documents, number, first) for number, first in enumerate(range(0, len(documents), SHARD_DOCUMENTS))
    ]
    finish(
        documents.prepared,
        receipts,
        format="arrow",
        task="text",
        made_of=f"{count:064}",
        max_length=LONGEST,
        tokenizer="",
    )
    return documents


def _shard(documents: Documents, number: int, first: int) -> Receipt:
    """Store a shard in blocks of the usual number of documents."""
    sink, rows, step = pa.BufferOutputStream(), [], BlockSize().documents
    end = min(first + SHARD_DOCUMENTS, len(documents))
    with pa.ipc.new_file(sink, SCHEMA) as writer:
        for start in range(first, end, step):
            batch = _block(documents, start, min(start + step, end))
            writer.write_batch(batch)
            length = pa.ipc.get_record_batch_size(batch)
            tokens = np.diff(documents.starts[start : min(start + step, end) + 1]).tolist()
            rows.append((sink.tell() - length, length, tokens))
    data = sink.getvalue().to_pybytes()
    shard = Shard(f"shards/{number:05}.arrow", len(data), xxhash.xxh3_128_hexdigest(data))
    documents.prepared.create(shard.name, data)
    return Receipt(shard, index_rows(number, rows, memoryview(data)), 0, 0)


def _block(documents: Documents, start: int, end: int) -> pa.RecordBatch:
    bounds = documents.starts[start : end + 1]
    tokens = documents.tokens[bounds[0] : bounds[-1]].astype(np.int32)
    column = pa.LargeListArray.from_arrays(bounds - bounds[0], tokens)
    return pa.record_batch([column, column], SCHEMA)

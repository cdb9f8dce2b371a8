"""Parquet files of token ids, read where they are: a block is a row group, and only index and manifest are added."""

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import SCHEMA, BlockData
from launcher.data.prepared.fingerprint import fingerprint
from launcher.data.prepared.finish import finish
from launcher.data.prepared.manifest import Manifest, Shard
from launcher.data.prepared.shards import Receipt, index_rows
from launcher.errors import InvalidInput
from launcher.storage.store import Store

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class RowGroups:
    """Row groups of one file, each decoded from its own bytes; the footer is all that is read besides."""

    def __init__(self, metadata: pq.FileMetaData, size: int) -> None:
        """`size` is the file's, in bytes. Raises ValueError where there is no column of tokens."""
        self._metadata = metadata
        self._size = size
        columns = [metadata.schema.column(number).path.split(".")[0] for number in range(metadata.num_columns)]
        if "input_ids" not in columns:
            raise ValueError(f"no column input_ids among {', '.join(columns)}")
        self._chosen = [number for number, name in enumerate(columns) if name in SCHEMA.names]

    def __len__(self) -> int:
        return int(self._metadata.num_row_groups)

    def span(self, group: int) -> tuple[int, int]:
        """Offset and length of a group's bytes, from its first column of tokens or labels to the last."""
        row_group = self._metadata.row_group(group)
        chunks = [row_group.column(number) for number in self._chosen]
        starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
        return min(starts), max(ends) - min(starts)

    def decode(self, data: bytes, group: int) -> BlockData:
        """The documents of a group from the bytes of its span; without a column of labels, every token but the first
        of a document is one.

        Raises:
            pa.ArrowException, OSError: the bytes are not those of this group.
        """
        part = _Part(data, self.span(group)[0], self._size)
        file = pq.ParquetFile(pa.PythonFile(part, "r"), metadata=self._metadata)
        table = file.read_row_group(group, columns=SCHEMA.names, use_threads=False)
        lists = {name: table[name].combine_chunks().cast(SCHEMA.field(name).type) for name in table.column_names}
        ids = lists["input_ids"]
        starts, tokens = ids.offsets.to_numpy(), ids.values.to_numpy()
        if "labels" in lists:
            return BlockData(starts, tokens, lists["labels"].offsets.to_numpy(), lists["labels"].values.to_numpy())
        labels = tokens.copy()
        labels[starts[:-1][np.diff(starts) > 0]] = IGNORED
        return BlockData(starts, tokens, starts, labels)


def index_parquet(store: Store, task: str, tokenizer: "PreTrainedTokenizerBase") -> Manifest:
    """Index all Parquet files below a folder, and store index and manifest there; one file is in memory at a time.

    Args:
        task: its kind, such as `text`.
        tokenizer: what the tokens were made with.

    Raises:
        InvalidInput: no such file, or one that does not hold documents of this tokenizer.
    """
    names = [name for name in store.list() if name.endswith(".parquet")]
    receipts = [_receipt(store, name, number, len(tokenizer)) for number, name in enumerate(names)]
    if not sum(receipt.documents for receipt in receipts):
        raise InvalidInput(f"{store.location} holds no document in a .parquet file; give the folder of some")
    own = fingerprint(tokenizer)
    made_of = hashlib.sha256(repr((task, own, [receipt.shard for receipt in receipts])).encode()).hexdigest()
    longest = max(int(receipt.blocks["lengths"].values.to_numpy().max(initial=0)) for receipt in receipts)
    return finish(store, receipts, format="parquet", task=task, made_of=made_of, max_length=longest, tokenizer=own)


def _receipt(store: Store, name: str, number: int, vocabulary: int) -> Receipt:
    """What is in a file."""
    place = f"{store.location}/{name}"
    data = store.read(name)
    shard = Shard(name, len(data), xxhash.xxh3_128_hexdigest(data))
    blocks = []
    for group, (offset, length, documents) in enumerate(_decoded(data, place)):
        _check(documents, vocabulary, f"{place}, row group {group}")
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


def _check(documents: BlockData, vocabulary: int, place: str) -> None:
    ids, lengths = documents.input_ids, np.diff(documents.starts)
    if not lengths.all():
        raise InvalidInput(f"{place}: row {int((lengths == 0).argmax())} has no token; leave it out")
    if ids.min() < 0 or ids.max() >= vocabulary:
        raise InvalidInput(
            f"{place}: ids from {ids.min()} to {ids.max()} are not all among the tokenizer's {vocabulary}; "
            "give the tokenizer that made them"
        )


class _Part(io.RawIOBase):
    """A file of which only some bytes are there."""

    def __init__(self, data: bytes, offset: int, size: int) -> None:
        self._data, self._offset, self._size = memoryview(data), offset, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._at = place + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, count: int = -1) -> bytes:
        start = self._at - self._offset
        assert start >= 0
        taken = bytes(self._data[start : start + count])
        self._at += len(taken)
        return taken

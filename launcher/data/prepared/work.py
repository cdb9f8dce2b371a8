"""What a prepared data set is made of, and how its rows are cut into shards."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from launcher.data.prepared.fingerprint import fingerprint
from launcher.data.prepared.manifest import VERSION
from launcher.data.prepared.shards import BlockSize
from launcher.data.rows import Row, Rows
from launcher.recipe.task import Task
from launcher.recipe.training import LongDocuments

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


SHARDS = "shards"
"""Folder of shards and receipts."""
SHARD = ".arrow"
RECEIPT = ".receipt"
"""Of a shard: it is there once the shard is."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How rows are cut into shards, and their documents into blocks."""

    shard: int = 16_000_000
    """A shard ends with the row that brings it to so many characters of text; English has about 4 a token."""
    block: BlockSize = field(default_factory=BlockSize)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How rows become documents, blocks and shards."""

    task: Task
    tokenizer: "PreTrainedTokenizerBase"
    max_length: int
    sizes: Sizes = field(default_factory=Sizes)
    long: LongDocuments = "split"
    """What happens to a long document of task `text`."""


@dataclass(frozen=True, slots=True)
class Work:
    """Rows to encode, and how."""

    rows: Rows
    encoding: Encoding
    tokenizer: str
    """Its fingerprint."""
    made_of: str
    """sha256, in hexadecimal, of all that decides what is written."""

    @classmethod
    def of(cls, rows: Rows, encoding: Encoding) -> "Work":
        tokenizer = fingerprint(encoding.tokenizer)
        settings = {
            "version": VERSION,
            "tokenizer": tokenizer,
            "task": encoding.task.model_dump(mode="json"),
            "max_length": encoding.max_length,
            "long": encoding.long,
            "sizes": asdict(encoding.sizes),
            "labels": rows.labels,
        }
        state = hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode())
        state.update(rows.digests.tobytes())
        return cls(rows, encoding, tokenizer, state.hexdigest())

    def stem(self, number: int) -> str:
        """Name of a shard and its receipt, but for the ending; that of another data set differs, and is left alone."""
        return f"{SHARDS}/{self.made_of[:16]}-{number:05}"


def pieces(rows: Iterable[Row], characters: int) -> Iterator[list[Row]]:
    """The rows of each shard, in order; one shard's are in memory at a time.

    They depend on the rows alone, and not on how many tasks there are.
    """
    piece: list[Row] = []
    size = 0
    for row in rows:
        piece.append(row)
        size += sum(map(len, row.fields.values()))
        if size >= characters:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece

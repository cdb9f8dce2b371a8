"""One shard of a prepared data set: found done, or made and stored with its receipt."""

from collections.abc import Iterator
from dataclasses import dataclass

from launcher.data.encode import encode_rows
from launcher.data.prepared.fetch import once, read_object
from launcher.data.prepared.finish import store_once
from launcher.data.prepared.shards import Receipt, write_shard
from launcher.data.prepared.work import RECEIPT, SHARD, SHARDS, Encoding, Work, pieces
from launcher.data.rows import Row
from launcher.storage.leftovers import sweep_store
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one shard, its number and its name without the ending."""

    number: int
    stem: str
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Made:
    """A shard that is there, and how many rows are in it."""

    number: int
    rows: int
    receipt: Receipt


def to_do(work: Work, store: Store) -> Iterator[Piece | Made]:
    """Every shard in its order, done or with what is needed to make it; what was left half written is removed.

    A shard is done when its receipt is there and whole: a damaged receipt makes it anew.
    """
    sweep_store(store, SHARDS)
    there, single = set(store.list(SHARDS)), once(store)
    for number, rows in enumerate(pieces(work.rows, work.encoding.sizes.shard)):
        stem = work.stem(number)
        receipt = None
        if {stem + SHARD, stem + RECEIPT} <= there:
            receipt = Receipt.find(read_object(single, stem + RECEIPT), stem + SHARD)
        yield Piece(number, stem, rows) if receipt is None else Made(number, len(rows), receipt)


def make_shard(piece: Piece, encoding: Encoding, store: Store) -> Receipt:
    """Encode and store one shard, and its receipt once the shard is there.

    A shard is never written over. A receipt can be: it is small, made of the shard, and a damaged one stood there.

    Raises:
        InvalidInput: rows do not fit, or other bytes stand under the shard's name.
    """
    examples = encode_rows(piece.rows, encoding.task, encoding.tokenizer, encoding.max_length, encoding.long)
    shard, receipt = write_shard(piece.stem + SHARD, piece.number, examples, encoding.sizes.block)
    store_once(store, piece.stem + SHARD, shard)
    store.write(piece.stem + RECEIPT, receipt.to_bytes())
    return receipt

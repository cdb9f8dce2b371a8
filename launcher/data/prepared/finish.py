"""The end of a preparation: index and manifest, stored once and last."""

from collections.abc import Sequence
from typing import Literal

import xxhash

from launcher.data.prepared.block import SCHEMA
from launcher.data.prepared.manifest import MANIFEST, VERSION, Footer, Manifest, Shard, Totals
from launcher.data.prepared.shards import Receipt, index_bytes
from launcher.errors import InvalidInput
from launcher.storage.store import AlreadyExists, Store


def finish(
    store: Store,
    receipts: Sequence[Receipt],
    *,
    format: Literal["arrow", "parquet"],
    task: str,
    made_of: str,
    max_length: int,
    tokenizer: str,
    footers: Sequence[Footer] = (),
) -> Manifest:
    """Store the index of all shards, and the manifest last; what these arguments are, `Manifest` says.

    Raises:
        InvalidInput: another data set is there.
    """
    index = index_bytes(receipts)
    listed = Shard(f"index-{made_of[:16]}.arrow", len(index), xxhash.xxh3_128_hexdigest(index))
    manifest = Manifest(
        version=VERSION,
        format=format,
        task=task,
        made_of=made_of,
        max_length=max_length,
        tokenizer=tokenizer,
        columns={column.name: str(column.type) for column in SCHEMA},
        totals=Totals(
            documents=sum(receipt.documents for receipt in receipts),
            tokens=sum(receipt.tokens for receipt in receipts),
            blocks=sum(receipt.blocks.num_rows for receipt in receipts),
            masked=sum(receipt.masked for receipt in receipts),
            truncated=sum(receipt.truncated for receipt in receipts),
        ),
        shards=[receipt.shard for receipt in receipts],
        index=listed,
        footers=list(footers),
    )
    store_once(store, listed.name, index)
    store_once(store, MANIFEST, manifest.to_json())
    return manifest


def store_once(store: Store, name: str, data: bytes) -> None:
    """Write a new object, or find it there as it is to be: a task that was killed, or whose answer was lost, wrote it.

    Raises:
        InvalidInput: it is there with other bytes.
    """
    try:
        store.ensure(name, data)
    except AlreadyExists:
        raise InvalidInput(
            f"{store.location}/{name} is there with other bytes, damaged or of another launcher; "
            "give another folder, or remove that file"
        ) from None

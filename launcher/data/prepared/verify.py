"""A prepared data set as it stands in a store, against what its manifest says."""

import xxhash

from launcher.data.prepared.manifest import MANIFEST, BlockIndex, Manifest, Shard
from launcher.errors import InvalidInput
from launcher.storage.store import Store

MEND = "restore it, or prepare the data anew elsewhere"


def read_manifest(store: Store) -> Manifest:
    """The manifest of a prepared data set.

    Raises:
        InvalidInput: there is none, or it is damaged.
    """
    place = f"{store.location}/{MANIFEST}"
    try:
        return Manifest.from_json(store.read(MANIFEST), place)
    except FileNotFoundError:
        raise InvalidInput(f"{place} is not there: `launcher prepare` was not finished, or not begun") from None


def read_index(store: Store, manifest: Manifest) -> BlockIndex:
    """The index, verified and in memory.

    Raises:
        InvalidInput: it is missing or damaged.
    """
    return BlockIndex(read_whole(store, manifest.index))


def read_whole(store: Store, shard: Shard) -> bytes:
    """A file's bytes.

    Raises:
        InvalidInput: it is missing, or not what the manifest lists.
    """
    place = f"{store.location}/{shard.name}"
    try:
        data = store.read(shard.name)
    except FileNotFoundError:
        raise InvalidInput(f"{place} is not there, and the manifest lists it; {MEND}") from None
    if len(data) != shard.size:
        raise InvalidInput(f"{place} has {len(data):,} bytes, and the manifest says {shard.size:,}; {MEND}")
    found = xxhash.xxh3_128_hexdigest(data)
    if found != shard.xxh3_128:
        raise InvalidInput(f"{place} has the checksum {found}, and the manifest says {shard.xxh3_128}; {MEND}")
    return data


def verify(store: Store) -> Manifest:
    """Read a whole data set again and compare every file with the manifest, and every block with the index.

    Raises:
        InvalidInput: the first difference, with its file.
    """
    manifest = read_manifest(store)
    index = read_index(store, manifest)
    totals = (len(index), int(index.rows.sum()), int(index.tokens.sum()))
    if totals != (manifest.totals.blocks, manifest.totals.documents, manifest.totals.tokens):
        raise InvalidInput(f"{store.location}/{manifest.index.name} does not add up to the manifest's totals; {MEND}")
    for number, shard in enumerate(manifest.shards):
        data = memoryview(read_whole(store, shard))
        for block in (index.shard == number).nonzero()[0].tolist():
            offset, length = int(index.offset[block]), int(index.length[block])
            if xxhash.xxh3_64_intdigest(data[offset : offset + length]) != index.checksum[block]:
                raise InvalidInput(f"{store.location}/{shard.name}: block {block} at {offset} is damaged; {MEND}")
    return manifest

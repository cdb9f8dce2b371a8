"""One flipped bit: where the data are kept, and in the cache of a node; what ours and mosaicml-streaming make of it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import xxhash

from benchmarks.loading import ours
from benchmarks.loading.bench import Bench
from benchmarks.loading.peer import NotInstalled, Peer, peer
from benchmarks.loading.server import s3, uploaded
from launcher.data.packed_batch import PackedBatch
from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.opened import PreparedSet, open_prepared
from launcher.data.prepared.reader import CorruptBlock
from launcher.data.stream.consumed import whole_epoch
from launcher.data.stream.cursor import Cursor

CAPACITY = 2_048


def corruption(bench: Bench) -> None:
    """Print what each does, a line a case."""
    print("launcher, through the S3 server and its cache:\n")
    with s3() as bucket:
        opened = open_prepared(uploaded(bench.small, bucket, "small"), bench.folder / "index")
        _cached(opened, bench.folder / "cache-flipped")
        _remote(opened, bench.folder / "cache-fresh")
    print("\nmosaicml-streaming, from a folder as its remote and through its cache:\n")
    with ExitStack() as stack:
        try:
            mosaic = stack.enter_context(peer("mosaicml-streaming", bench.peers_python, bench.small.folder))
        except NotInstalled as missing:
            print(missing)
            return
        _mosaic(mosaic, bench)


def _cached(opened: PreparedSet, folder: Path) -> None:
    cache = BlockCache(folder, 1 << 40, print)
    undisturbed = _digest(ours.batches(opened, CAPACITY, cache=cache))
    entry = sorted(path for path in (folder / "blocks").rglob("*") if path.is_file())[len(opened.index) // 2]
    good = entry.read_bytes()
    _flip(entry)
    again = _digest(ours.batches(opened, CAPACITY, cache=cache))
    mended = "fetched and kept anew" if entry.read_bytes() == good else "NOT mended"
    print(f"- cached, one bit of a block: the stream is {_same(again, undisturbed)}, the block is {mended}")


def _remote(opened: PreparedSet, folder: Path) -> None:
    """A block stays corrupt: the default is to stop; the other choice is to go on without it."""
    block = len(opened.index) // 2
    name = opened.manifest.shards[int(opened.index.shard[block])].name
    data = bytearray(opened.store.read(name))
    data[int(opened.index.offset[block] + opened.index.length[block] // 2)] ^= 4
    opened.store.write(name, bytes(data))
    cursor, cache, documents = ours.stream_of(opened, CAPACITY).start, BlockCache(folder, 1 << 40, print), 0
    try:
        for _, cursor in ours.batches(opened, CAPACITY, cache=cache):
            documents = cursor.consumed.documents
    except CorruptBlock as error:
        print(f"- remote, one bit of a block: refused after {documents:,} documents: {error}")
        _quarantined(opened, cursor.quarantine([error.block]), cache)
    else:
        print("- remote, one bit of a block: NOT noticed")


def _quarantined(opened: PreparedSet, cursor: Cursor, cache: BlockCache) -> None:
    """The rest of the epoch without a block; every other document must be counted."""
    for _, after in ours.batches(opened, CAPACITY, cursor, cache):
        if after.epoch == 0:
            cursor = after
    stream = ours.stream_of(opened, CAPACITY)
    [end] = stream.take(cursor, ours.STEP_TOKENS // CAPACITY, 1).ended
    whole = end.consumed + end.left_out == whole_epoch(opened.index, stream.packing)
    print(
        f"- the same, quarantined: {end.consumed.documents:,} documents read, {end.left_out.documents:,} left out, "
        f"and the digests of both {'are' if whole else 'are NOT'} the whole epoch's"
    )


def _mosaic(mosaic: Peer, bench: Bench) -> None:
    mosaic.ask("write")
    total = len(bench.small)

    def told(case: str, cache: str, validate: str | None) -> None:
        folder = str(bench.folder / cache)
        answer: dict[str, Any] = mosaic.ask("epoch", cache=folder, validate=validate)
        print(
            f"- {case}, {'validate_hash=' + validate if validate else 'default options'}: {answer['ended']} "
            f"after {answer['samples']:,} of {total:,} samples, {answer['damaged']} of them damaged",
            flush=True,
        )

    mosaic.ask("remote")
    for validate in (None, "xxh64"):
        told("remote, first run", f"mds-{validate}", validate)
        told("remote, second run with its cache", f"mds-{validate}", validate)
    mosaic.ask("unflip")
    told("nothing flipped", "mds-cached", "xxh64")
    mosaic.ask("flip_cached", cache=str(bench.folder / "mds-cached"))
    told("cached", "mds-cached", "xxh64")


def _digest(batches: Iterator[tuple[PackedBatch, Cursor]]) -> str:
    state = xxhash.xxh3_128()
    for batch, _ in batches:
        state.update(batch.input_ids.numpy().tobytes())
    return state.hexdigest()


def _same(one: str, other: str) -> str:
    return "the undisturbed one" if one == other else "NOT the undisturbed one"


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)

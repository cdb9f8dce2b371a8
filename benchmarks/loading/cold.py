"""Tokens a second from an S3 server with nothing on this machine yet, against range reads and nothing else."""

import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.loading import ours
from benchmarks.loading.bench import Bench
from benchmarks.loading.rounds import Pass, goal, in_turn, ratio, table
from benchmarks.loading.server import s3, uploaded
from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.opened import PreparedSet, open_prepared
from launcher.data.prepared.reader import BlockReader
from launcher.data.stream.supply import AHEAD
from launcher.storage.client import single_try
from launcher.storage.ranges import read_range

CAPACITY = 2_048
THREADS = (1, 2, 4, 8, 16)
BLOCKS, OURS = "launcher, verified blocks alone", "launcher, no cache"
CACHED, AGAIN = "launcher, empty cache", "launcher, from its cache"


def cold(bench: Bench) -> None:
    """Print a table."""
    with s3() as bucket:
        opened = open_prepared(uploaded(bench.small, bucket, "small"), bench.folder / "index")
        size = int(opened.index.length.sum())
        print(f"{len(opened.index)} blocks, {size / 1e6:.0f} MB, one server process, {bench.rounds} rounds in turn\n")
        cache = bench.folder / "cache"
        raw = {f"range reads, {threads} threads": threads for threads in THREADS}
        sides: dict[str, Callable[[], Pass]] = {
            **{side: partial(_raw, opened, threads) for side, threads in raw.items()},
            BLOCKS: partial(_blocks, opened),
            OURS: partial(_read, opened, None),
            CACHED: partial(_into_empty_cache, opened, cache),
            AGAIN: partial(_read, opened, cache),
        }
        _into_empty_cache(opened, cache)
        found = in_turn(sides, bench.rounds)
        best = max(raw, key=lambda side: statistics.median(done.rate for done in found[side]))
        print(table(found, {"best range reads": best}), end="\n\n")
        for side in (BLOCKS, OURS, CACHED):
            print(goal(f"{side} / {best}", ratio(found, side, best), 0.8))


def _order(opened: PreparedSet) -> list[int]:
    """All blocks, as an epoch asks for them."""
    stream = ours.stream_of(opened, CAPACITY)
    return [block for window in range(stream.windows) for block in stream.blocks(0, window).tolist()]


def _raw(opened: PreparedSet, threads: int) -> Pass:
    """The bytes of an epoch's blocks; they are neither verified nor looked at."""
    store, index, order = single_try(opened.store), opened.index, _order(opened)

    def fetch(block: int) -> int:
        name = opened.manifest.shards[int(index.shard[block])].name
        return len(read_range(store, name, int(index.offset[block]), int(index.length[block]), 60.0))

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        came = sum(pool.map(fetch, order))
    seconds = time.perf_counter() - started
    assert came == int(index.length.sum())
    return Pass(opened.manifest.totals.tokens, seconds)


def _blocks(opened: PreparedSet) -> Pass:
    """Blocks read ahead, verified and decoded, and put to no use: what reading costs without packing."""
    started = time.perf_counter()
    with BlockReader(opened.store, opened.manifest, opened.index) as reader:
        tokens = sum(len(block.result().input_ids) for _, block in reader.ahead(_order(opened), AHEAD))
    return Pass(tokens, time.perf_counter() - started)


def _into_empty_cache(opened: PreparedSet, folder: Path) -> Pass:
    shutil.rmtree(folder, ignore_errors=True)
    return _read(opened, folder)


def _read(opened: PreparedSet, folder: Path | None) -> Pass:
    """An epoch of ours as tensors, through a cache where a folder for one is given."""
    cache = BlockCache(folder, 1 << 40, print) if folder else None
    started = time.perf_counter()
    tokens = sum(batch.tokens for batch, _ in ours.batches(opened, CAPACITY, cache=cache))
    assert tokens == opened.manifest.totals.tokens
    return Pass(tokens, time.perf_counter() - started)

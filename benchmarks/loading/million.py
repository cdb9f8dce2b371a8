"""A data set of a million blocks and a trillion tokens: what a rank pays to open it, and for its first batch.

Its blocks are a few real ones, over and over, so that first batches are read and verified like any others.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from benchmarks.loading.bench import Bench
from benchmarks.loading.documents import lengths
from launcher.data.encode.example import Example
from launcher.data.prepared.manifest import INDEX_SCHEMA, MANIFEST, Manifest, Shard, Totals
from launcher.data.prepared.shards import BlockSize, Receipt, write_shard
from launcher.storage.store import Store

REAL_BLOCKS = 8
MEAN, SIGMA = 1_000, 1.0
"""Tokens of a document, cut at 4,096; a block has a thousand documents."""
RANKS = 2
CAPACITY = 4_096
CHUNK = 10_000
"""Blocks whose lengths are written at once."""


def million(bench: Bench) -> None:
    """Print seconds, memory of each of two ranks, and the size of the cursor; beside the same for few blocks."""
    print("| blocks | tokens | index | open | first batch | own memory before | and after | cursor |")
    print("|---|---|---|---|---|---|---|---|")
    for blocks in (REAL_BLOCKS * 10, bench.blocks):
        folder = bench.folder / f"blocks-{blocks}"
        manifest = make(folder, blocks)
        for told in _ranks(folder):
            print(
                f"| {blocks:,} | {manifest.totals.tokens:.3g} | {manifest.index.size / 1e9:.3g} GB "
                f"| {told['open']:.3f} s | {told['first']:.3f} s | {told['before'] / 1e6:.1f} MB "
                f"| {told['after'] / 1e6:.1f} MB | {told['cursor']} bytes |",
                flush=True,
            )
        for path in folder.glob("*.arrow"):
            path.unlink()
    print(f"\n{RANKS} ranks at once, each row one. Memory is what is its alone and not a file's (anonymous, in RAM).")


def make(folder: Path, blocks: int) -> Manifest:
    """Write a data set of so many blocks into a new folder. Memory stays small: columns are maps of files."""
    store = Store.open(str(folder))
    ids = np.random.default_rng(0).integers(0, 32_000, 4_096).tolist()
    size = BlockSize(bytes=1 << 40)
    examples = (Example(ids[:n], ids[:n], truncated=False) for n in _lengths(REAL_BLOCKS * size.documents).tolist())
    data, receipt = write_shard("shard.arrow", 0, examples, size)
    store.create(receipt.shard.name, data)
    raw, index = folder / "lengths.raw", folder / "index.arrow"
    try:
        _write_index(receipt, blocks, raw, index)
    finally:
        raw.unlink(missing_ok=True)
    state = xxhash.xxh3_128()
    with index.open("rb") as file:
        while chunk := file.read(1 << 24):
            state.update(chunk)
    manifest = Manifest(
        version=1,
        format="arrow",
        task="text",
        made_of="",
        max_length=4_096,
        tokenizer="",
        columns={},
        totals=Totals(size.documents * blocks, receipt.tokens * blocks // REAL_BLOCKS, blocks, 0, 0),
        shards=[receipt.shard],
        index=Shard(index.name, index.stat().st_size, state.hexdigest()),
    )
    store.create(MANIFEST, manifest.to_json())
    return manifest


def _lengths(documents: int) -> npt.NDArray[np.int64]:
    return lengths(documents, MEAN, SIGMA, 4_096)


def _write_index(receipt: Receipt, blocks: int, raw: Path, index: Path) -> None:
    """The rows of the real blocks again and again, in one record batch as always."""
    repeats = blocks // REAL_BLOCKS
    assert repeats * REAL_BLOCKS == blocks
    column = receipt.blocks.column("lengths")
    once = column.values.to_numpy()
    with raw.open("wb") as file:
        for start in range(0, repeats, CHUNK):
            np.tile(once, min(CHUNK, repeats - start)).tofile(file)
    rows = np.diff(column.offsets.to_numpy())
    starts = np.concatenate([[0], np.cumsum(np.tile(rows, repeats))])
    values = pa.array(np.memmap(raw, dtype=np.uint32, mode="r"))
    columns = [pa.array(np.tile(receipt.blocks.column(name).to_numpy(), repeats)) for name in INDEX_SCHEMA.names[:-1]]
    batch = pa.record_batch([*columns, pa.LargeListArray.from_arrays(starts, values)], INDEX_SCHEMA)
    with pa.OSFile(str(index), "wb") as sink, pa.ipc.new_file(sink, INDEX_SCHEMA) as writer:
        writer.write_batch(batch)


def _ranks(folder: Path) -> Iterator[dict[str, float]]:
    """What each of some processes tells that read the set at once."""
    command = [sys.executable, "-m", "benchmarks.loading.rank", str(folder), str(CAPACITY)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(RANKS)]
    for process in running:
        told, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"a rank ended with {process.returncode}")
        yield json.loads(told)

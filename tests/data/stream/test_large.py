"""A data set of a trillion tokens: what depends on its size, and what does not."""

import time
import tracemalloc
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from launcher.data.stream.cursor import Cursor
from launcher.data.stream.mixing import mix64
from launcher.data.stream.packing import Packing, window_blocks
from launcher.data.stream.stream import Stream

BLOCKS = 1_000_000
ROWS = 1_000


class Synthetic:
    """A million blocks of log-normal lengths, made as they are asked for, and counted."""

    def __init__(self, blocks: int) -> None:
        self.rows = np.full(blocks, ROWS, dtype=np.int32)
        self.tokens = np.full(blocks, ROWS * 1_000, dtype=np.int64)
        self.asked = 0

    def lengths(self, block: int) -> npt.NDArray[np.uint32]:
        self.asked += 1
        seed = int(mix64(np.array([block], dtype=np.uint64))[0])
        drawn = np.random.default_rng(seed).lognormal(np.log(1_000) - 0.5, 1, ROWS)
        return drawn.clip(1, 8_192).astype(np.uint32)


def stream_of(blocks: int) -> tuple[Stream, Synthetic]:
    index = Synthetic(blocks)
    return Stream(index, Packing("packed", 4_096, 0, window_blocks(index, 4_096)), "m" * 64), index


def open_and_step() -> tuple[Cursor, float, float]:
    """The cursor after the first step, and seconds to open and to take it."""
    index = Synthetic(BLOCKS)
    started = time.perf_counter()
    stream = Stream(index, Packing("packed", 4_096, 0, window_blocks(index, 4_096)), "m" * 64)
    opened = time.perf_counter()
    cursor = stream.take(stream.start, 256).cursor
    taken = time.perf_counter()
    assert index.asked == stream.packing.blocks
    return cursor, opened - started, taken - opened


def test_a_million_blocks_open_at_once_and_cost_no_more_memory_than_a_window() -> None:
    cursor, opening, first = open_and_step()
    tracemalloc.start()
    open_and_step()
    peak = tracemalloc.get_traced_memory()[1] - BLOCKS * 12  # without the synthetic index itself
    tracemalloc.stop()
    print(f"{BLOCKS} blocks: opened {opening * 1e3:.1f} ms, step {first * 1e3:.1f} ms, peak {peak / 2**20:.1f} MiB")
    assert peak < 16 * 2**20
    small = stream_of(100)[0]
    sizes = [len(each.to_json()) for each in (cursor, small.take(small.start, 256).cursor)]
    print(f"cursor: {sizes[0]} bytes, and {sizes[1]} for 100 blocks")
    assert max(sizes) - min(sizes) < 8


def at(stream: Stream, share: float) -> Cursor:
    return replace(stream.start, window=int(stream.windows * share), pack=1_000)


def test_resuming_at_the_end_of_an_epoch_packs_one_window_as_at_its_beginning() -> None:
    stream, index = stream_of(BLOCKS)
    times: dict[float, list[float]] = {0.01: [], 0.99: []}
    for _ in range(7):
        for share, found in times.items():
            resumed = Stream(index, stream.packing, "m" * 64)
            index.asked = 0
            started = time.perf_counter()
            resumed.take(at(stream, share), 256)
            found.append(time.perf_counter() - started)
            assert index.asked == stream.packing.blocks
    first, last = (np.median(found) for found in times.values())
    print(f"resume: {first * 1e3:.1f} ms at 1 %, {last * 1e3:.1f} ms at 99 %, ratio {last / first:.3f}")


@pytest.mark.parametrize("capacity", [2_048, 4_096])
def test_packs_of_a_stream_are_full(capacity: int) -> None:
    index = Synthetic(60)
    stream = Stream(index, Packing("packed", capacity, 0, window_blocks(index, capacity)), "m")
    step = stream.take(stream.start, 10**6, 1)
    tokens = sum(int(part.window.pieces.tokens.sum()) for part in step.parts)
    fill = tokens / (step.cursor.packs * capacity)
    print(f"fill {fill:.4f} at {capacity}, {stream.windows} windows")
    assert fill >= 0.995

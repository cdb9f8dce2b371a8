"""What is measured: packed, shuffled batches of a prepared data set, with the cursor after each."""

from collections.abc import Generator

from launcher.data.packed_batch import PackedBatch, collate_packs
from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.opened import PreparedSet
from launcher.data.prepared.reader import BlockReader
from launcher.data.stream.cursor import Cursor
from launcher.data.stream.gather import Gathered, gather
from launcher.data.stream.packing import Packing, window_blocks
from launcher.data.stream.stream import Stream
from launcher.data.stream.supply import Supply

STEP_TOKENS, MICRO_TOKENS = 131_072, 32_768
"""Of a full step and of a full micro-batch: 64 and 16 packs of 2,048."""


def stream_of(opened: PreparedSet, capacity: int) -> Stream:
    packing = Packing("packed", capacity, 0, window_blocks(opened.index, capacity))
    return Stream(opened.index, packing, opened.manifest.digest)


def gathered(
    opened: PreparedSet, capacity: int, cursor: Cursor | None = None, cache: BlockCache | None = None
) -> Generator[tuple[Gathered, Cursor], None, None]:
    """One rank's micro-batches from a cursor to the end of the first epoch; with each, where the step after its
    own begins.
    """
    stream = stream_of(opened, capacity)
    cursor = stream.start if cursor is None else cursor
    micro = MICRO_TOKENS // capacity
    with (
        BlockReader(opened.store, opened.manifest, opened.index, cache=cache) as reader,
        Supply(stream, reader, pad_id=0) as supply,
    ):
        while (step := stream.take(cursor, STEP_TOKENS // capacity, 1)).parts:
            loaded = [supply.load(cursor, part.window) for part in step.parts]
            for corrupt in (error for each in loaded for error in each.corrupt):
                raise corrupt  # before any of the step is taken, so that what was yielded ends where a step does
            for part, each in zip(step.parts, loaded, strict=True):
                assert each.tokens is not None
                for first in range(0, len(part.packs), micro):
                    yield gather([(each.tokens, part.packs[first : first + micro])]), step.cursor
            supply.forget(part.window for part in step.parts)
            cursor = step.cursor


def batches(
    opened: PreparedSet, capacity: int, cursor: Cursor | None = None, cache: BlockCache | None = None
) -> Generator[tuple[PackedBatch, Cursor], None, None]:
    """The same as tensors, as a model takes them."""
    for packs, after in gathered(opened, capacity, cursor, cache):
        yield collate_packs(packs), after

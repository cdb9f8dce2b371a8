"""A prepared data set of a few examples, in memory."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future

import numpy as np

from launcher.data.encode import Example
from launcher.data.prepared.block import BlockData, decode_block
from launcher.data.prepared.manifest import BlockIndex
from launcher.data.prepared.shards import BlockSize, index_bytes, write_shard
from launcher.data.stream.mixture import Mixture
from launcher.data.stream.packing import Mode, Packing, window_blocks
from launcher.data.stream.stream import Part, Stream
from launcher.data.stream.supply import Supply
from launcher.plan.batch import BatchPlan, plan_batches
from launcher.recipe.training import Training
from launcher.train.feed import Feed, Share


class MemoryBlocks:
    """Blocks of a shard that is held in memory."""

    def __init__(self, shard: bytes, index: BlockIndex) -> None:
        self._shard = shard
        self._index = index

    def read(self, block: int) -> BlockData:
        start, length = int(self._index.offset[block]), int(self._index.length[block])
        return decode_block(self._shard[start : start + length])

    def ahead(self, blocks: Iterable[int], window: int) -> Iterator[tuple[int, Future[BlockData]]]:
        for block in blocks:
            done: Future[BlockData] = Future()
            done.set_result(self.read(block))
            yield block, done


class MemorySet:
    """Examples in blocks of some documents, as `launcher prepare` would store them."""

    def __init__(self, examples: Sequence[Example], documents: int = 7) -> None:
        shard, receipt = write_shard("shard.arrow", 0, examples, BlockSize(documents=documents))
        self.index = BlockIndex(index_bytes([receipt]))
        self.blocks = MemoryBlocks(shard, self.index)
        self.documents, self.tokens = receipt.documents, receipt.tokens
        self.label_per_document = len(examples[0].labels) == 1

    def stream(self, training: Training, mode: Mode | None = None, stretch: int = 1) -> Stream:
        blocks = window_blocks(self.index, training.max_length)
        packing = Packing(mode or training.mode, training.max_length, training.order_seed, blocks, stretch=stretch)
        return Stream(self.index, packing, "in memory")

    def plan(self, training: Training, world: int) -> BatchPlan:
        return plan_batches(training, world=world, documents=self.documents, tokens=self.tokens)

    def feed(self, training: Training, *, rank: int = 0, world: int = 1, pad_id: int = 0, pin: bool = False) -> Feed:
        """The feed of a rank; batches over 10 steps are grouped where lengths are."""
        plan = self.plan(training, world)
        stream = self.stream(training, stretch=10 * plan.global_batch)
        supply = Supply(stream, self.blocks, pad_id, label_per_document=self.label_per_document)
        return Feed(Mixture([stream], [1.0], training.order_seed), [supply], plan, Share(rank, world), pin=pin)

    def order(self, training: Training, steps: int, batch: int) -> list[list[int]]:
        """Numbers of the examples in each step, counted from 0; one example is one pack."""
        stream = self.stream(training)
        cursor, found = stream.start, []
        for _ in range(steps):
            step = stream.take(cursor, batch)
            cursor = step.cursor
            found.append([row for part in step.parts for row in self._examples(part)])
        return found

    def _examples(self, part: Part) -> list[int]:
        window, first_of = part.window, np.cumsum(self.index.rows) - self.index.rows
        number_of = np.concatenate([first_of[block] + np.arange(self.index.rows[block]) for block in window.blocks])
        documents = window.pieces.document[window.order[window.starts[part.packs]]]
        return [int(number) for number in number_of[documents]]

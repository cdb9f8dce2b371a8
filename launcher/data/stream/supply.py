"""The tokens of a stream's windows: read as they are needed, and the next window ahead of that."""

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, Self

from launcher.data.prepared.block import BlockData
from launcher.data.prepared.reader import CorruptBlock
from launcher.data.stream.cursor import Cursor
from launcher.data.stream.gather import WindowTokens
from launcher.data.stream.stream import Stream
from launcher.data.stream.window import Window

AHEAD = 16
"""Blocks that are asked for at once."""

Key = tuple[int, int, Collection[int]]


class Blocks(Protocol):
    """Where blocks come from."""

    def ahead(self, blocks: Iterable[int], window: int) -> Iterator[tuple[int, "Future[BlockData]"]]:
        """The blocks in this order, with so many fetched ahead of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A window that was read."""

    tokens: WindowTokens | None
    """None where a block is corrupt."""
    corrupt: tuple[CorruptBlock, ...]


class Supply:
    """Tokens of one data set's windows. One thread works ahead; closing it waits for nothing."""

    def __init__(self, stream: Stream, blocks: Blocks, *, label_per_document: bool = False) -> None:
        self.stream = stream
        self._blocks = blocks
        self.label_per_document = label_per_document
        self._coming: dict[Key, Future[Loaded]] = {}
        self._spare: WindowTokens | None = None
        self._worker = ThreadPoolExecutor(1, "load-window")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def load(self, cursor: Cursor, window: Window) -> Loaded:
        """A window of a step that begins at `cursor`, read by now; the one after it is begun.

        Raises:
            LauncherError: the store failed.
        """
        here = replace(cursor, epoch=window.epoch, window=window.number)
        loaded = self._future(here).result()
        epoch, number = self.stream.following(window.epoch, window.number)
        self._future(replace(cursor, epoch=epoch, window=number))
        return loaded

    def forget(self, kept: Iterable[Window]) -> None:
        """Let go of all windows but these and the ones after them."""
        near = {(window.epoch, window.number) for window in kept}
        near |= {self.stream.following(*each) for each in near}
        for key in [key for key in self._coming if key[:2] not in near]:
            self._coming.pop(key).add_done_callback(self._recycle)

    def _recycle(self, done: "Future[Loaded]") -> None:
        if not done.cancelled() and done.exception() is None:
            self._spare = done.result().tokens

    def _future(self, cursor: Cursor) -> "Future[Loaded]":
        key = (cursor.epoch, cursor.window, cursor.excluded)
        if key not in self._coming:
            self._coming[key] = self._worker.submit(self._load, cursor)
        return self._coming[key]

    def _load(self, cursor: Cursor) -> Loaded:
        window = self.stream.window(cursor)
        wanted = window.blocks[~window.excluded].tolist()
        blocks, corrupt = [], []
        for _, block in self._blocks.ahead(wanted, AHEAD):
            try:
                blocks.append(block.result())
            except CorruptBlock as error:
                corrupt.append(error)
        if corrupt or not blocks:
            return Loaded(None, tuple(corrupt))
        spare, self._spare = self._spare, None
        return Loaded(WindowTokens(window, blocks, label_per_document=self.label_per_document, reuse=spare), ())

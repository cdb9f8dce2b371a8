"""The tokens of a stream's windows: read as they are needed, and the next windows ahead of that."""

from collections import deque
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
"""Blocks of a window that are asked for at once."""
WINDOWS_AHEAD = 2
"""While one is put together, the blocks of another are on their way."""

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
    """Tokens of one data set's windows. Threads work ahead; closing it waits for nothing."""

    def __init__(self, stream: Stream, blocks: Blocks, pad_id: int, *, label_per_document: bool = False) -> None:
        self.stream = stream
        self._blocks = blocks
        self.pad_id = pad_id
        self.label_per_document = label_per_document
        self._coming: dict[Key, Future[Loaded]] = {}
        self._spare: deque[WindowTokens] = deque(maxlen=1)  # whose memory the next window takes over
        self._worker = ThreadPoolExecutor(WINDOWS_AHEAD, "load-window")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def load(self, cursor: Cursor, window: Window) -> Loaded:
        """A window of a step that begins at `cursor`, read by now; those after it are begun.

        Raises:
            LauncherError: the store failed.
        """
        here = replace(cursor, epoch=window.epoch, window=window.number)
        coming = self._future(here)
        for epoch, number in self._after(window.epoch, window.number):
            self._future(replace(cursor, epoch=epoch, window=number))
        return coming.result()

    def forget(self, kept: Iterable[Window]) -> None:
        """Let go of all windows but these and the ones after them."""
        near = {(window.epoch, window.number) for window in kept}
        near |= {after for each in near for after in self._after(*each)}
        for key in [key for key in self._coming if key[:2] not in near]:
            self._coming.pop(key).add_done_callback(self._recycle)

    def _after(self, epoch: int, number: int) -> list[tuple[int, int]]:
        """The windows that come next."""
        found = [self.stream.following(epoch, number)]
        while len(found) < WINDOWS_AHEAD:
            found.append(self.stream.following(*found[-1]))
        return found

    def _recycle(self, done: "Future[Loaded]") -> None:
        if not done.cancelled() and done.exception() is None and (tokens := done.result().tokens) is not None:
            self._spare.append(tokens)

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
        try:
            spare = self._spare.pop()
        except IndexError:
            spare = None
        classes = self.label_per_document
        return Loaded(WindowTokens(window, blocks, self.pad_id, label_per_document=classes, reuse=spare), ())

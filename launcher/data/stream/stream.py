"""The packs of all epochs, one after another: what a step takes depends on the cursor alone, and on no rank."""

import math
import threading
from collections.abc import Collection
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from launcher.data.stream.consumed import Tally
from launcher.data.stream.cursor import Cursor
from launcher.data.stream.packing import Index, Packing
from launcher.data.stream.permutation import permute, round_keys
from launcher.data.stream.pieces import Integers
from launcher.data.stream.window import Window, build_window
from launcher.errors import InvalidInput

Place = tuple[float, int]
"""Epochs, and documents of the one that is under way."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Packs of one window."""

    window: Window
    packs: Integers
    source: int = 0
    """Which data set of a mixture it is of."""


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """What a whole epoch consumed and left out; both together are `consumed.whole_epoch`."""

    epoch: int
    consumed: Tally
    left_out: Tally
    source: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a step takes, where the next one begins, and the epochs that this one ends."""

    parts: tuple[Part, ...]
    cursor: Cursor
    ended: tuple[EpochEnd, ...]


WINDOWS_KEPT = 3
"""The one that is read and the next two, which may be built ahead."""


class Stream:
    """Windows of a data set, in the order of its packing. The last ones are kept, so that none is packed twice."""

    def __init__(self, index: Index, packing: Packing, manifest: str) -> None:
        """An index of at least one document.

        Args:
            manifest: Digest of the data set.
        """
        self.index = index
        self.packing = packing
        self.documents = int(index.rows.sum(dtype=np.int64))
        self.windows = max(1, len(index.rows) // packing.blocks)
        """Windows of an epoch."""
        self.start = Cursor(manifest, packing.digest)
        self._kept: dict[tuple[int, int, Collection[int]], Window] = {}
        self._building = threading.Lock()

    def take(self, cursor: Cursor, packs: int, epochs: float | None = None) -> Step:
        """The next packs of the stream; fewer only where it ends.

        Args:
            epochs: The stream ends with this many epochs, the last of which may be a part of one; by default it never
                does.

        Raises:
            InvalidInput: every document of the data set is excluded.
        """
        assert (cursor.manifest, cursor.packing) == (self.start.manifest, self.start.packing)
        end = self._end(epochs)
        ended: list[EpochEnd] = []
        parts = []
        cursor = self._settle(cursor, end, ended)
        while packs and _passed(cursor) < end:
            window = self.window(cursor)
            taken = _before(end, cursor, window, window.living(cursor.pack)[:packs])
            if len(taken):
                parts.append(Part(window, taken))
            cursor = _pass(cursor, window, int(taken[-1]) + 1 if len(taken) else int(window.living(cursor.pack)[0]))
            cursor = self._settle(replace(cursor, packs=cursor.packs + len(taken)), end, ended)
            packs -= len(taken)
        return Step(tuple(parts), cursor, tuple(ended))

    def window(self, cursor: Cursor) -> Window:
        """The window that a cursor is in; any thread may ask."""
        key = (cursor.epoch, cursor.window, cursor.excluded)
        with self._building:
            if key not in self._kept:
                while len(self._kept) >= WINDOWS_KEPT:
                    del self._kept[next(iter(self._kept))]
                blocks = self.blocks(cursor.epoch, cursor.window)
                self._kept[key] = build_window(self.index, self.packing, cursor, blocks)
            return self._kept[key]

    def blocks(self, epoch: int, window: int) -> Integers:
        """Blocks of a window; an epoch's are shared out to its windows evenly."""
        total = len(self.index.rows)
        first, last = (total * end // self.windows for end in (window, window + 1))
        return permute(np.arange(first, last), total, round_keys(self.packing.seed, epoch, "blocks"))

    def following(self, epoch: int, window: int) -> tuple[int, int]:
        """Epoch and number of the window after this one."""
        return (epoch, window + 1) if window + 1 < self.windows else (epoch + 1, 0)

    def passed(self, cursor: Cursor) -> int:
        """Documents passed since the run began, each epoch's counted."""
        return cursor.epoch * self.documents + _passed(cursor)[1]

    def progress(self, cursor: Cursor, epochs: float) -> float:
        """Documents passed out of all that a run of some epochs passes; from 0 to 1."""
        whole, rest = self._end(epochs)
        return min(1.0, self.passed(cursor) / (whole * self.documents + rest))

    def epoch_packs_below(self, packs: int) -> int | None:
        """How many packs the first epoch has, where they are fewer than `packs`; packs no more windows than needed."""
        found = 0
        for number in range(self.windows):
            found += len(self.window(replace(self.start, window=number)).living(0))
            if found >= packs:
                return None
        return found

    def _end(self, epochs: float | None) -> Place:
        """Whole epochs, and documents of one more, with which the stream ends."""
        if epochs is None:
            return math.inf, 0
        # As written in decimals: 0.1 x 10 documents are 1, where floats would round up to 2
        whole, part = divmod(Fraction(str(epochs)), 1)
        return whole, math.ceil(part * self.documents)

    def _settle(self, cursor: Cursor, end: Place, ended: list[EpochEnd]) -> Cursor:
        """The cursor in a window that has a pack to take, or at the end; epochs that end on the way are told."""
        for _ in range(self.windows + 1):
            if _passed(cursor) >= end:
                return cursor
            window = self.window(cursor)
            if len(window.living(cursor.pack)):
                return cursor
            cursor = _pass(cursor, window, len(window))
            epoch, number = self.following(cursor.epoch, cursor.window)
            if epoch != cursor.epoch:
                ended.append(EpochEnd(cursor.epoch, cursor.consumed, cursor.left_out))
                cursor = replace(cursor, consumed=Tally(), left_out=Tally())
            cursor = replace(cursor, epoch=epoch, window=number, pack=0)
        raise InvalidInput(
            "data: every document is empty, or its block is skipped or quarantined; skip fewer, or prepare anew"
        )


def _passed(cursor: Cursor) -> Place:
    return cursor.epoch, cursor.consumed.documents + cursor.left_out.documents


def _before(end: Place, cursor: Cursor, window: Window, packs: Integers) -> Integers:
    """Those of the next packs that begin before the end: all of them but in a last part of an epoch."""
    if cursor.epoch < end[0]:
        return packs
    documents = window.counts[:, 0, cursor.pack :].sum(axis=0)
    begin: Integers = _passed(cursor)[1] + np.cumsum(documents) - documents
    inside: npt.NDArray[np.bool_] = begin[packs - cursor.pack] < end[1]
    return packs[inside]


def _pass(cursor: Cursor, window: Window, pack: int) -> Cursor:
    """The cursor at `pack`, with the packs before it told as consumed or left out."""
    consumed, left_out = window.tally(np.arange(cursor.pack, pack))
    return replace(cursor, pack=pack, consumed=cursor.consumed + consumed, left_out=cursor.left_out + left_out)

"""Packs of a window as rows of a batch: the way that every token goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse._sparsetools import csr_row_index

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import BlockData
from launcher.data.stream.pieces import Integers, ranges
from launcher.data.stream.window import Window

Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Packs as rows of one width, filled up on the right.

    `input_ids` and `labels` are (packs, width); labels are (packs,) where there is one a document.
    """

    input_ids: Tokens
    labels: Tokens
    bounds: Tokens
    """Where pieces of documents begin in the rows laid end to end, and where the last one ends; padding is a piece of
    its own. What variable-length attention calls `cu_seqlens`.
    """
    filled: Tokens
    """Tokens of each pack, padding left out."""


class WindowTokens:
    """The tokens of a window, read and joined, with a stretch of padding behind them."""

    def __init__(
        self,
        window: Window,
        blocks: Sequence[BlockData],
        pad_id: int,
        *,
        label_per_document: bool = False,
        reuse: "WindowTokens | None" = None,
    ) -> None:
        """Join the blocks.

        Args:
            blocks: Those of the window that are not excluded, in its order; at least one.
            label_per_document: Labels are classes of documents, not tokens.
            reuse: A window that is done with, whose memory is taken over: new memory costs more than what is done in
                it.
        """
        read = np.repeat(~window.excluded, window.rows)
        found = np.concatenate([np.diff(block.starts) for block in blocks])
        assert np.array_equal(found, window.lengths[read]), "the blocks are not those of the index"
        self.window = window
        total = int(found.sum())
        self._memory = _take_over(reuse, total + window.capacity)
        self._ids, self._labels = self._memory[:, : total + window.capacity]
        np.concatenate([block.input_ids for block in blocks], out=self._ids[:total])
        self._ids[total:] = pad_id
        self._classes: Tokens | None = None
        if label_per_document:
            self._classes = np.full(len(read), IGNORED, np.int32)
            self._classes[read] = np.concatenate([block.labels for block in blocks])
        else:
            np.concatenate([block.labels for block in blocks], out=self._labels[:total])
            self._labels[total:] = IGNORED
        self._stretches = _stretches(window, read, total)

    def gather(self, packs: Integers, width: int) -> Gathered:
        """Some packs of the window, in this order, as rows of a width that none exceeds.

        The first label of each piece is masked, as no token precedes it.
        """
        window = self.window
        first, filled = window.starts[packs], window.filled[packs]
        counts = window.starts[packs + 1] - first + 1
        stretches = self._stretches[ranges(first + packs, counts)]
        stretches[np.cumsum(counts) - 1, 1] += width - filled
        ids, labels = (np.empty((len(packs), width), np.int32) for _ in range(2))
        _copy(stretches, (self._ids, self._labels), (ids, labels))
        lengths = stretches[:, 1] - stretches[:, 0]
        bounds = _ends(lengths[lengths > 0])
        if self._classes is None:
            labels.reshape(-1)[bounds[:-1]] = IGNORED
        else:
            labels = self._classes[window.pieces.document[window.order[first]]]
        return Gathered(ids, labels, bounds, filled)


def gather(chosen: Sequence[tuple[WindowTokens, Integers]]) -> Gathered:
    """Packs of one or several windows, in this order, as wide as the longest of all."""
    width = max(int(tokens.window.filled[packs].max()) for tokens, packs in chosen)
    parts = [tokens.gather(packs, width) for tokens, packs in chosen]
    if len(parts) == 1:
        return parts[0]
    ids, labels, filled = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("input_ids", "labels", "filled")
    )
    return Gathered(ids, labels, _ends(np.concatenate([np.diff(part.bounds) for part in parts])), filled)


def _take_over(done: WindowTokens | None, tokens: int) -> Tokens:
    """Memory for the ids and labels of a window, with some to spare for a larger one: (2, `tokens` or more)."""
    if done is not None:
        memory = done._memory
        del done._memory, done._ids, done._labels  # so that nothing reads from it what is another window's
        if tokens <= memory.shape[1]:
            return memory
    return np.empty((2, tokens * 9 // 8), np.int32)


def _stretches(window: Window, read: npt.NDArray[np.bool_], total: int) -> Tokens:
    """Where stretches begin and end in the memory of a window: those of each pack's pieces, and behind them an empty
    one where the padding begins, which is as long as it has to be; (pieces + packs, 2).
    """
    pieces, document = window.pieces, window.pieces.document[window.order]
    lengths, there = np.where(read, window.lengths, 0), read[document]
    begin = (np.cumsum(lengths) - lengths)[document] + pieces.first[window.order] * there
    end = begin + pieces.tokens[window.order] * there
    return np.insert(np.stack([begin, end], axis=1).astype(np.int32), window.starts[1:], total, axis=0)


def _copy(stretches: Tokens, sources: tuple[Tokens, Tokens], targets: tuple[Tokens, Tokens]) -> None:
    """Stretches of two arrays, one after another, into two that they fill.

    As rows of a sparse matrix, which are stretches of column numbers and of values: in C, without the GIL, and eight
    times as fast as numpy by an index a token. Through scipy's own classes most of the time would go into making them.
    """
    borders, rows = stretches.reshape(-1), np.arange(0, stretches.size, 2, dtype=np.int32)
    csr_row_index(len(rows), rows, borders, *sources, *(target.reshape(-1) for target in targets))


def _ends(lengths: npt.NDArray[np.integer]) -> Tokens:
    """Where stretches of these lengths begin and end: (lengths + 1,)."""
    ends = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=ends[1:])
    return ends

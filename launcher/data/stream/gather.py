"""Packs of a window as arrays: the way that every token goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import BlockData
from launcher.data.stream.pieces import Integers
from launcher.data.stream.window import Window

Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Pieces of documents, one after another, without padding.

    `input_ids`, `labels` and `positions` are (tokens,); labels are (pieces,) where there is one a document.
    """

    input_ids: Tokens
    labels: Tokens
    positions: Tokens
    """They restart with each piece."""
    bounds: Tokens
    """Piece `i` is `input_ids[bounds[i]:bounds[i + 1]]`; what variable-length attention calls `cu_seqlens`."""
    packs: Tokens
    """Pack `i` is `input_ids[packs[i]:packs[i + 1]]`."""
    label_per_document: bool = False
    """Labels are classes of documents, not tokens."""


class WindowTokens:
    """The tokens of a window, read and joined."""

    def __init__(
        self,
        window: Window,
        blocks: Sequence[BlockData],
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
        self._memory = _take_over(reuse, total)
        ids = np.concatenate([block.input_ids for block in blocks], out=self._memory[0][:total])
        self._classes: Tokens | None = None
        if label_per_document:
            self._classes = np.full(len(read), IGNORED, np.int32)
            self._classes[read] = np.concatenate([block.labels for block in blocks])
            labels = ids
        else:
            labels = np.concatenate([block.labels for block in blocks], out=self._memory[1][:total])
        self._rows = _ragged(window, read, ids, labels)

    def gather(self, packs: Integers) -> Gathered:
        """Some packs of the window, in this order; the first label of each piece is masked, as no token precedes it."""
        window = self.window
        numbers, counts = window.pieces_of(packs)
        alive = window.alive[numbers]
        if not alive.all():
            counts = np.bincount(np.repeat(np.arange(len(packs)), counts)[alive], minlength=len(packs))
            numbers = numbers[alive]
        tokens = window.pieces.tokens[numbers]
        bounds = _ends(tokens)
        rows = self._rows[2 * numbers]
        positions = np.arange(bounds[-1], dtype=np.int32)
        positions -= np.repeat(bounds[:-1], tokens)
        if self._classes is None:
            labels = rows.data
            labels[bounds[:-1]] = IGNORED
        else:
            labels = self._classes[window.pieces.document[numbers]]
        per_document = self._classes is not None
        return Gathered(rows.indices, labels, positions, bounds, bounds[_ends(counts)], per_document)


def join(parts: Sequence[Gathered]) -> Gathered:
    """Packs of several windows, one after another."""
    if len(parts) == 1:
        return parts[0]
    ids, labels, positions = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("input_ids", "labels", "positions")
    )
    bounds, packs = (
        _ends(np.concatenate([np.diff(getattr(part, name)) for part in parts])) for name in ("bounds", "packs")
    )
    return Gathered(ids, labels, positions, bounds, packs, parts[0].label_per_document)


def padded(values: Tokens, bounds: Tokens, fill: int, width: int | None = None) -> Tokens:
    """Stretches of an array as rows, filled up on the right: (rows, width).

    Row by row, as a copy a row is several times as fast as one through a mask.

    Args:
        values: (tokens,)
        bounds: Row `i` is `values[bounds[i]:bounds[i + 1]]`.
        width: Columns; by default those of the longest row.
    """
    columns = int(np.diff(bounds).max(initial=0)) if width is None else width
    rows = np.empty((len(bounds) - 1, columns), dtype=np.int32)
    ends = bounds.tolist()
    for row, begin, end in zip(rows, ends, ends[1:], strict=False):
        row[: end - begin] = values[begin:end]
        row[end - begin :] = fill
    return rows


def _take_over(done: WindowTokens | None, tokens: int) -> tuple[Tokens, Tokens]:
    """Memory for the ids and labels of a window, with some to spare for a larger one: (`tokens` or more,) each.

    Two arrays, as scipy copies what fills less than half of one.
    """
    if done is not None:
        memory = done._memory
        del done._memory, done._rows  # so that nothing reads from it what is another window's
        if len(memory[0]) // 2 < tokens <= len(memory[0]):
            return memory
    return np.empty(tokens * 9 // 8, dtype=np.int32), np.empty(tokens * 9 // 8, dtype=np.int32)


def _ragged(window: Window, read: npt.NDArray[np.bool_], ids: Tokens, labels: Tokens) -> csr_array:
    """Ids and labels of piece `i` as row `2 * i`; odd rows are what is cut off.

    Rows of a sparse matrix are stretches of two arrays, here not column numbers and values but ids and labels. Taking
    rows copies each stretch as a whole, in C and without the GIL: three times as fast as numpy by an index a token.
    """
    pieces = window.pieces
    lengths = np.where(read, window.lengths, 0)
    begin = (np.cumsum(lengths) - lengths)[pieces.document] + pieces.first * read[pieces.document]
    end = begin + pieces.tokens * read[pieces.document]
    bounds = np.stack([begin, end], axis=1).ravel().astype(np.int32)
    return csr_array((labels, ids, bounds), shape=(len(bounds) - 1, np.iinfo(np.int32).max), copy=False)


def _ends(lengths: npt.NDArray[np.integer]) -> Tokens:
    """Where stretches of these lengths begin and end: (lengths + 1,)."""
    ends = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=ends[1:])
    return ends

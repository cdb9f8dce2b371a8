"""Which documents were consumed, as one number that does not depend on their order."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from launcher.data.stream.mixing import Words, mix64
from launcher.data.stream.packing import Index, Packing
from launcher.data.stream.pieces import Integers, cut, ranges

HALVES = tuple(np.uint64(half) for half in (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03))
"""Make two independent hashes of 64 bits of one number."""
CHUNK = 1_000
"""Blocks whose documents are looked at together."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Documents, and the sum of 128-bit hashes of their pieces mod 2**128, in hexadecimal.

    Tallies of parts add up to that of the whole, in any order: so two that are equal stand for the same pieces, none
    missing and none twice, but for a chance of 2**-128.
    """

    documents: int = 0
    digest: str = f"{0:032x}"

    def __add__(self, other: "Tally") -> "Tally":
        digest = (int(self.digest, 16) + int(other.digest, 16)) % 2**128
        return Tally(self.documents + other.documents, f"{digest:032x}")

    def __sub__(self, other: "Tally") -> "Tally":
        """What is left of a tally without a part of it."""
        digest = (int(self.digest, 16) - int(other.digest, 16)) % 2**128
        return Tally(self.documents - other.documents, f"{digest:032x}")


def counted(blocks: Integers, rows: Integers, firsts: Integers) -> Words:
    """What each piece adds to a tally: 1 where a document begins, and the hash in words of 32 bits; (5, pieces).

    Sums over 2**32 pieces still fit 64 bits, and `tally` makes a tally of them.

    Args:
        blocks: Block of each piece's document, below 2**32.
        rows: Which document of the block it is, below 2**32.
        firsts: First token of the piece in its document.
    """
    documents = (blocks.astype(np.uint64) << np.uint64(32)) | rows.astype(np.uint64)
    words = np.empty((5, len(documents)), dtype=np.uint64)
    words[0] = firsts == 0
    for half, constant in enumerate(HALVES):
        hashes = mix64(mix64(documents ^ constant) + firsts.astype(np.uint64))
        words[1 + 2 * half] = hashes & np.uint64(0xFFFFFFFF)
        words[2 + 2 * half] = hashes >> np.uint64(32)
    return words


def tally(sums: Words) -> Tally:
    """The tally of pieces from their summed `counted`: (5,)."""
    documents, *words = sums.tolist()
    digest = sum(word << (32 * place) for place, word in enumerate(words)) % 2**128
    return Tally(documents, f"{digest:032x}")


def whole_epoch(index: Index, packing: Packing) -> Tally:
    """What is consumed and left out in any whole epoch, from the index alone."""
    whole = Tally()
    for start in range(0, len(index.rows), CHUNK):
        blocks = np.arange(start, min(start + CHUNK, len(index.rows)))
        lengths = [index.lengths(block) for block in blocks.tolist()]
        rows = np.array([len(each) for each in lengths])
        pieces = cut(np.concatenate(lengths).astype(np.int64), packing.capacity, packing.long)
        block_of, row_of = np.repeat(blocks, rows), ranges(np.zeros_like(rows), rows)
        whole += tally(counted(block_of[pieces.document], row_of[pieces.document], pieces.first).sum(axis=1))
    return whole


def per_pack(words: Words, starts: Integers, consumed: npt.NDArray[np.bool_]) -> Words:
    """Sums of `counted` over the pieces of each pack: (2, 5, packs), of those consumed and of those left out.

    Args:
        words: (5, pieces), in the order of the packs, none of which is empty.
        starts: First piece of each pack.
        consumed: (pieces,)
    """
    return np.stack([np.add.reduceat(words * part, starts, axis=1) for part in (consumed, ~consumed)])

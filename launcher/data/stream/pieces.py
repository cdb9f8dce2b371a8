"""Documents cut to what a pack holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Stretches of documents, in the order of the documents: three arrays of (pieces,)."""

    document: Integers
    first: Integers
    """First token in the document."""
    tokens: Integers

    def __len__(self) -> int:
        return len(self.document)


@dataclass(frozen=True, slots=True)
class Long:
    """Documents that are longer than a pack, and their tokens beyond it."""

    documents: int
    tokens: int


def cut(lengths: Integers, capacity: int, long: Literal["truncate", "split"]) -> Pieces:
    """Pieces of `capacity` tokens at the most: the first one of each document, or all of them."""
    documents = np.arange(len(lengths))
    if long == "truncate" or not len(lengths) or int(lengths.max()) <= capacity:
        return Pieces(documents, np.zeros_like(documents), np.minimum(lengths, capacity))
    counts = np.maximum(-(-lengths // capacity), 1)
    document = np.repeat(documents, counts)
    first = capacity * ranges(np.zeros_like(counts), counts)
    return Pieces(document, first, np.minimum(lengths[document] - first, capacity))


def long_documents(lengths: Iterable[npt.NDArray[np.integer]], capacity: int) -> Long:
    """How many documents are cut, from the lengths of any number of blocks."""
    documents = tokens = 0
    for block in lengths:
        beyond = block[block > capacity].astype(np.int64) - capacity
        documents += len(beyond)
        tokens += int(beyond.sum())
    return Long(documents, tokens)


def ranges(starts: Integers, counts: Integers) -> Integers:
    """`counts[i]` numbers from `starts[i]` on, for each i, one after another."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(int(ends[-1]) if len(ends) else 0)

"""What makes the order of a data set, apart from the data."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from launcher.data.stream.pack import PACKER_VERSION

ORDER_VERSION = 1
"""Counts up with any change to permutations, windows and the order of packs."""
WINDOW_DOCUMENTS = 10_000
WINDOW_PACKS = 200
"""The last pack of a window stays half empty on average: a quarter of a per cent, at this number."""

Mode = Literal["packed", "padded", "length-grouped"]


class Index(Protocol):
    """What the order needs to know of a data set: its blocks' documents and their tokens."""

    @property
    def rows(self) -> npt.NDArray[np.integer]:
        """Documents of each block."""

    @property
    def tokens(self) -> npt.NDArray[np.integer]:
        """Tokens of each block."""

    def lengths(self, block: int) -> npt.NDArray[np.integer]:
        """Tokens of each document of a block."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How documents are ordered and put together.

    `packed` puts several documents into a pack; `padded` and `length-grouped` have one document a pack.
    """

    mode: Mode
    capacity: int
    """Tokens that a pack holds."""
    seed: int
    blocks: int
    """Blocks of a window, at the least; see `window_blocks`."""
    long: Literal["truncate", "split"] = "truncate"
    """What happens to a document that is longer than a pack."""
    stretch: int = 1
    """Packs that `length-grouped` sorts together."""

    @property
    def digest(self) -> str:
        """sha256, in hexadecimal, of all that makes the order of a given data set."""
        parts = {**asdict(self), "packer": PACKER_VERSION, "order": ORDER_VERSION}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def window_blocks(index: Index, capacity: int) -> int:
    """Blocks that make a window large enough to mix documents well and to fill packs."""
    blocks = len(index.rows)
    documents, tokens = int(index.rows.sum(dtype=np.int64)), int(index.tokens.sum(dtype=np.int64))
    wanted = max(-(-WINDOW_DOCUMENTS * blocks // documents), -(-WINDOW_PACKS * capacity * blocks // tokens))
    return min(wanted, blocks)

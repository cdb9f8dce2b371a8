"""What a rank's file holds and where: a safetensors file's header, worked out without a tensor.

The format: 8 bytes with the header's length, a JSON header, then the tensors without a gap
(https://huggingface.co/docs/safetensors/index#format). A tensor's name tells its place in the training state:
`parameter|slot|offset|total`, in elements.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes of an element, by safetensors' name of its type."""
ALIGNMENT = 64
"""Tensors begin at a multiple of it: a cache line."""
LENGTH_BYTES = 8
LONGEST = 100_000_000
"""Bytes of a header, as safetensors itself allows."""


class Piece(NamedTuple):
    """Elements `offset` to `offset + length` of a state that has `total` elements when laid flat."""

    parameter: str
    slot: str
    offset: int
    length: int
    total: int
    dtype: str
    """By safetensors' name, such as `F32`."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.length * SIZES[self.dtype]

    @property
    def name(self) -> str:
        return f"{self.parameter}|{self.slot}|{self.offset}|{self.total}"


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole file: `header` are its first bytes, and piece `i` begins at byte `starts[i]`."""

    pieces: tuple[Piece, ...]
    header: bytes
    starts: tuple[int, ...]
    size: int
    """Of the file, in bytes."""


def lay_out(pieces: Iterable[Piece]) -> Layout:
    """The file of some pieces, in their order; those of wide types must come first, for all to be aligned."""
    kept, entries, starts, end = tuple(pieces), {}, [], 0
    for piece in kept:
        starts.append(end)
        end += piece.size
        entries[piece.name] = {"dtype": piece.dtype, "shape": [piece.length], "data_offsets": [starts[-1], end]}
    assert len(entries) == len(kept), "a piece is there twice"
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(LENGTH_BYTES + len(text)) % ALIGNMENT)
    header = len(text).to_bytes(LENGTH_BYTES, "little") + text
    return Layout(kept, header, tuple(len(header) + start for start in starts), len(header) + end)


def header_length(start: bytes) -> int:
    """Bytes of the header, its length included, by a file's first 8 bytes."""
    return LENGTH_BYTES + int.from_bytes(start[:LENGTH_BYTES], "little")


def read_header(header: bytes) -> Layout:
    """The layout that `lay_out` made a header of."""
    pieces = []
    for name, entry in json.loads(header[LENGTH_BYTES:]).items():
        parameter, slot, offset, total = name.rsplit("|", 3)
        pieces.append(Piece(parameter, slot, int(offset), entry["shape"][0], int(total), entry["dtype"]))
    layout = lay_out(pieces)
    assert layout.header == header, "another launcher's header"
    return layout

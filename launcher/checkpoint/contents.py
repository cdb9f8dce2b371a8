"""What a checkpoint is made of: each rank's receipt, and the manifest that is written when all are there."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import xxhash
from pydantic import TypeAdapter, ValidationError

from launcher.checkpoint.pieces import Layout
from launcher.errors import LauncherError

MANIFEST = "MANIFEST.json"
"""Its name in a checkpoint's folder."""
VERSION: Literal[1] = 1


class Damaged(LauncherError):
    """Something in a checkpoint is not as it was written; the message tells file and reason."""


@dataclass(frozen=True, slots=True)
class File:
    """Its name in the folder, size in bytes and checksum in hexadecimal."""

    name: str
    size: int
    xxh3_128: str


class StoredPiece(NamedTuple):
    """A piece, and the byte of its file at which it begins."""

    parameter: str
    slot: str
    offset: int
    length: int
    total: int
    dtype: str
    start: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a rank stored: written after the file arrived whole and was verified."""

    rank: int
    file: File
    pieces: Sequence[StoredPiece]
    state: Mapping[str, Any]
    """Cursor and counters, as the rank told them."""

    def to_json(self) -> bytes:
        """With a checksum of its own, as the manifest will repeat what it says."""
        text = json.dumps(asdict(self), separators=(",", ":"))
        return f'{{"xxh3_128":"{xxhash.xxh3_128_hexdigest(text.encode())}","receipt":{text}}}'.encode()

    @classmethod
    def from_json(cls, data: bytes, place: str) -> "Receipt":
        """Raises Damaged where it is none, or not as it was written."""
        receipt = _read(_RECEIPT, data, place).receipt
        if receipt.to_json() != data:
            raise Damaged(f"{place} is not as it was written")
        return receipt


@dataclass(frozen=True, slots=True)
class Origin:
    """What a run is: the same in each of its checkpoints."""

    run: str
    recipe: Mapping[str, Any]
    """Resolved, with every default."""
    recipe_digest: str
    data: Mapping[str, Any]
    """Digests of the data and of their order."""
    base: Mapping[str, Any]
    """Id, revision and digest of the frozen base model."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`to_json` is the file byte for byte; its `digest` stands in the journal."""

    version: Literal[1]
    origin: Origin
    attempt: int
    step: int
    world: int
    """Number of ranks that wrote it."""
    files: Sequence[File]
    layout: Mapping[str, Sequence[StoredPiece]]
    """By the file's name."""
    state: Mapping[str, Any]
    """Rank 0's cursor and counters."""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes, place: str) -> "Manifest":
        """Raises Damaged where it is none."""
        return _read(_MANIFEST, data, place)

    @property
    def digest(self) -> str:
        """sha256 in hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Checked:
    xxh3_128: str
    receipt: Receipt


Kind = TypeVar("Kind")
_RECEIPT: TypeAdapter[_Checked] = TypeAdapter(_Checked)
_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


def stored_pieces(layout: Layout) -> list[StoredPiece]:
    return [StoredPiece(*piece, start) for piece, start in zip(layout.pieces, layout.starts, strict=True)]


def weights_name(rank: int) -> str:
    """A rank's file of tensors, in a checkpoint's folder."""
    return f"rank-{rank}.safetensors"


def receipt_name(rank: int) -> str:
    """Written last of what a rank writes."""
    return f"rank-{rank}.json"


def _read(adapter: TypeAdapter[Kind], data: bytes, place: str) -> Kind:
    try:
        return adapter.validate_json(data)
    except ValidationError as invalid:
        error = invalid.errors()[0]
        where = ".".join(str(part) for part in error["loc"]) or "JSON"
        raise Damaged(f"{place} is not as it was written ({where}: {error['msg']})") from None

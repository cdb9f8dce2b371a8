"""What a prepared data set holds: `manifest.json` lists its files, an index its blocks and their documents."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from pydantic import TypeAdapter, ValidationError

from launcher.errors import InvalidInput

MANIFEST = "manifest.json"
"""Its presence says that the data set is whole."""
VERSION: Literal[1] = 1
INDEX_SCHEMA = pa.schema(
    {
        "shard": pa.int32(),
        "offset": pa.int64(),
        "length": pa.int64(),
        "rows": pa.int32(),
        "tokens": pa.int64(),
        "xxh3_64": pa.uint64(),
        "lengths": pa.large_list(pa.uint32()),
    }
)
"""One row a block, all in one record batch, so that columns are read from a map of the file without a copy."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A file: its name below the manifest's folder, size in bytes and checksum in hexadecimal."""

    name: str
    size: int
    xxh3_128: str


@dataclass(frozen=True, slots=True)
class Footer:
    """The end of a Parquet file, with which it is read: its bytes and their checksum in hexadecimal."""

    length: int
    xxh3_64: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts over all shards."""

    documents: int
    tokens: int
    blocks: int
    masked: int
    """Documents left out, as no label or no token of them is left."""
    truncated: int
    """Documents that were cut."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`to_json` is the file byte for byte, with a checksum of what it tells; `digest` names the data set."""

    version: Literal[1]
    format: Literal["arrow", "parquet"]
    task: str
    """Its kind, such as `instruction`."""
    made_of: str
    """Digest of the rows and of everything that made tokens and shards of them."""
    max_length: int
    """No document has more tokens."""
    tokenizer: str
    """Its fingerprint."""
    columns: Mapping[str, str]
    """Arrow types of the shards' columns by name."""
    totals: Totals
    shards: Sequence[Shard]
    index: Shard
    footers: Sequence[Footer] = field(default_factory=list)
    """Of each shard, where these are Parquet files."""

    def to_json(self) -> bytes:
        told = asdict(self)
        checksum = xxhash.xxh3_128_hexdigest(json.dumps(told).encode())
        return json.dumps({**told, "xxh3_128": checksum}, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes, place: str) -> "Manifest":
        """The manifest that `to_json` wrote.

        Raises:
            InvalidInput: no manifest, or not as it was written; names the place.
        """
        try:
            manifest = _MANIFEST.validate_json(data, strict=True)
        except ValidationError as invalid:
            error = invalid.errors()[0]
            where = ".".join(str(part) for part in error["loc"]) or "JSON"
            reason = f"{where}: {error['msg']}"
        else:
            if manifest.to_json() == data:
                return manifest
            written = json.loads(data).get("xxh3_128", "none")
            own = json.loads(manifest.to_json())["xxh3_128"]
            reason = f"it is not as it was written: its checksum is {written!r}, and its content's {own!r}"
        raise InvalidInput(f"{place} is damaged, or of another launcher ({reason}); prepare the data anew elsewhere")

    @property
    def digest(self) -> str:
        """sha256 of `manifest.json`, in hexadecimal."""
        return hashlib.sha256(self.to_json()).hexdigest()


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


class BlockIndex:
    """The blocks of all shards, in their order; numpy columns, which a file's are read from a map.

    Document `i` of block `b` has the number `starts[b] + i` in the data set.
    """

    def __init__(self, source: Path | bytes | bytearray) -> None:
        """Raises InvalidInput where the source is no index."""
        try:
            file = pa.memory_map(str(source)) if isinstance(source, Path) else pa.BufferReader(pa.py_buffer(source))
            reader = pa.ipc.open_file(file)
            if reader.schema != INDEX_SCHEMA or reader.num_record_batches != 1:
                raise pa.ArrowInvalid("it has other columns")
            batch = reader.get_batch(0)
        except pa.ArrowInvalid as error:
            place = source if isinstance(source, Path) else "the index"
            raise InvalidInput(f"{place} is no index of blocks ({error}); prepare the data anew elsewhere") from None
        columns: dict[str, npt.NDArray[Any]] = {
            name: batch.column(name).to_numpy() for name in INDEX_SCHEMA.names if name != "lengths"
        }
        self.shard: npt.NDArray[np.int32] = columns["shard"]
        self.offset: npt.NDArray[np.int64] = columns["offset"]
        self.length: npt.NDArray[np.int64] = columns["length"]
        self.rows: npt.NDArray[np.int32] = columns["rows"]
        self.tokens: npt.NDArray[np.int64] = columns["tokens"]
        self.checksum: npt.NDArray[np.uint64] = columns["xxh3_64"]
        self.starts: npt.NDArray[np.int64] = batch.column("lengths").offsets.to_numpy()
        self._lengths: npt.NDArray[np.uint32] = batch.column("lengths").values.to_numpy()

    def __len__(self) -> int:
        return len(self.shard)

    def lengths(self, block: int) -> npt.NDArray[np.uint32]:
        """Tokens of each document of a block."""
        return self._lengths[self.starts[block] : self.starts[block + 1]]

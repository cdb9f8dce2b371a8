"""What a folder of a checkpoint must hold: name, size and checksum of every file."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import xxhash


@dataclass(frozen=True, slots=True)
class Manifest:
    """`content` is what MANIFEST.json holds; `digest` is its sha256 in hexadecimal."""

    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def folder_manifest(folder: Path) -> Manifest:
    """The manifest of all files below `folder`, in the order of their names."""
    files = [
        {"name": str(path.relative_to(folder)), "size": path.stat().st_size, "xxh3_128": _checksum(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    return Manifest(json.dumps({"files": files}, indent=1).encode())


def _checksum(path: Path) -> str:
    state = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 22):
            state.update(chunk)
    return state.hexdigest()

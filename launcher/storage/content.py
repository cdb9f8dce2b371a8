"""Bytes behind a file descriptor: read by many threads at once, each at its own place."""

import os
from dataclasses import dataclass

import xxhash

CHUNK = 256 << 10
"""Bytes that are read and looked at while they are in the cache of a core."""


@dataclass(frozen=True, slots=True)
class Content:
    """The first `size` bytes of an open file; they do not change meanwhile."""

    descriptor: int
    size: int

    @property
    def path(self) -> str:
        """By which this process can open the file."""
        return f"/proc/self/fd/{self.descriptor}"

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on: fewer only at the end.

        Raises:
            EOFError: the file is shorter than `size`.
        """
        wanted = min(length, self.size - offset)
        found = os.pread(self.descriptor, wanted, offset)
        while len(found) < wanted:
            more = os.pread(self.descriptor, wanted - len(found), offset + len(found))
            if not more:
                raise EOFError(f"{offset + len(found)} bytes are there, and not {self.size}")
            found += more
        return found

    def xxh3_128(self) -> str:
        """Checksum in hexadecimal."""
        state = xxhash.xxh3_128()
        for offset in range(0, self.size, CHUNK):
            state.update(self.read(offset, CHUNK))
        return state.hexdigest()

"""Row groups of a Parquet file, each decoded from its own bytes."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import SCHEMA, BlockData
from launcher.data.prepared.manifest import Footer

MAGIC = b"PAR1"
FOOTER_END = 4 + len(MAGIC)
"""Bytes behind the metadata: their length, and the magic number."""


class RowGroups:
    """Row groups of one file, each decoded from its own bytes; the footer is all that is read besides."""

    def __init__(self, metadata: pq.FileMetaData, size: int) -> None:
        """`size` is the file's, in bytes. Raises ValueError where there is no column of tokens."""
        self._metadata = metadata
        self._size = size
        columns = [metadata.schema.column(number).path.split(".")[0] for number in range(metadata.num_columns)]
        if "input_ids" not in columns:
            raise ValueError(f"no column input_ids among {', '.join(columns)}")
        self._chosen = [number for number, name in enumerate(columns) if name in SCHEMA.names]

    @classmethod
    def of_footer(cls, footer: bytes, size: int) -> "RowGroups":
        """From the end of a file of `size` bytes; see `footer_of`."""
        return cls(pq.read_metadata(pa.BufferReader(MAGIC + footer)), size)

    def __len__(self) -> int:
        return int(self._metadata.num_row_groups)

    def span(self, group: int) -> tuple[int, int]:
        """Offset and length of a group's bytes, from its first column of tokens or labels to the last."""
        row_group = self._metadata.row_group(group)
        chunks = [row_group.column(number) for number in self._chosen]
        starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
        return min(starts), max(ends) - min(starts)

    def decode(self, data: bytes, group: int) -> BlockData:
        """The documents of a group from the bytes of its span; without a column of labels, every token but the first
        of a document is one.

        Raises:
            pa.ArrowException, OSError: the bytes are not those of this group.
        """
        part = _Part(data, self.span(group)[0], self._size)
        file = pq.ParquetFile(pa.PythonFile(part, "r"), metadata=self._metadata)
        table = file.read_row_group(group, columns=SCHEMA.names, use_threads=False)
        lists = {name: table[name].combine_chunks().cast(SCHEMA.field(name).type) for name in table.column_names}
        ids = lists["input_ids"]
        starts, tokens = ids.offsets.to_numpy(), ids.values.to_numpy()
        if "labels" in lists:
            return BlockData(starts, tokens, lists["labels"].offsets.to_numpy(), lists["labels"].values.to_numpy())
        labels = tokens.copy()
        labels[starts[:-1][np.diff(starts) > 0]] = IGNORED
        return BlockData(starts, tokens, starts, labels)


def footer_of(data: bytes) -> Footer:
    """The footer of a whole Parquet file: the metadata, their length in 4 bytes, and the magic number.

    https://parquet.apache.org/docs/file-format/
    """
    length = int.from_bytes(data[-FOOTER_END : -len(MAGIC)], "little") + FOOTER_END
    return Footer(length, xxhash.xxh3_64_hexdigest(data[-length:]))


class _Part(io.RawIOBase):
    """A file of which only some bytes are there."""

    def __init__(self, data: bytes, offset: int, size: int) -> None:
        self._data, self._offset, self._size = memoryview(data), offset, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._at = place + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, count: int = -1) -> bytes:
        start = self._at - self._offset
        assert start >= 0
        taken = bytes(self._data[start : start + count])
        self._at += len(taken)
        return taken

"""Rows on disk: as many as the sources have, in a file that goes with them, and 40 bytes a row in memory."""

import hashlib
import json
import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, overload

import numpy as np
import numpy.typing as npt

from launcher.storage.temporary import temporary_space

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the fields its templates use, and its label's name where the task has labels."""

    fields: dict[str, str]
    label: str | None

    @property
    def text(self) -> str:
        """The fields as one text: what predictions are listed under and a classical model reads."""
        return "\n".join(self.fields.values())


class _Kept:
    """Rows one after the other in a file without a name, which goes when nobody holds it any more."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="ll-rows-")  # noqa: SIM115 (open as long as this object)
        starts, digests, labels = array("q", [0]), bytearray(), array("q")
        numbers: dict[str | None, int] = {}
        with temporary_space():
            for row in rows:
                texts = json.dumps(list(row.fields.values())).encode()
                digests += hashlib.blake2b(texts, digest_size=16).digest()
                labels.append(numbers.setdefault(row.label, len(numbers)))
                starts.append(starts[-1] + self._file.write(json.dumps([row.fields, row.label]).encode()))
            self._file.flush()
        self._starts = starts
        self.label_names: list[str | None] = list(numbers)
        self.labels: Numbers = np.array(labels, dtype=np.int64)
        self.digests = np.frombuffer(bytes(digests), dtype=[("high", "<u8"), ("low", "<u8")])

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, number: int) -> Row:
        start, end = self._starts[number], self._starts[number + 1]
        return Row(*json.loads(os.pread(self._file.fileno(), end - start, start)))


class Rows(Sequence[Row]):
    """Some rows of a file, in an order of their own; equal to any sequence of equal rows."""

    def __init__(self, kept: _Kept, numbers: Numbers) -> None:
        self._kept = kept
        self._numbers = numbers

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Rows":
        """All of the rows, read once.

        Raises:
            InvalidInput: what the source of the rows raises.
            LauncherError: there is no room for them.
        """
        kept = _Kept(rows)
        return cls(kept, np.arange(len(kept), dtype=np.int64))

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> "Rows": ...
    def __getitem__(self, place: int | slice) -> "Row | Rows":
        if isinstance(place, slice):
            return Rows(self._kept, self._numbers[place])
        return self._kept.read(int(self._numbers[place]))

    def __iter__(self) -> Iterator[Row]:
        return map(self._kept.read, self._numbers.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(Row.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def take(self, places: Sequence[int] | Numbers | npt.NDArray[np.bool_]) -> "Rows":
        """The rows at these places, or where a mask is true."""
        return Rows(self._kept, self._numbers[np.asarray(places)] if len(places) else self._numbers[:0])

    @property
    def labels(self) -> list[str | None]:
        """The label of each row."""
        return [self._kept.label_names[number] for number in self._kept.labels[self._numbers].tolist()]

    @property
    def label_numbers(self) -> Numbers:
        """Equal numbers for equal labels."""
        return self._kept.labels[self._numbers]

    @property
    def digests(self) -> npt.NDArray[np.void]:
        """Equal digests, of 128 bits, for rows with equal texts in all fields."""
        return self._kept.digests[self._numbers]

"""Training examples on disk: an Arrow file that the ranks of a machine map into their memory."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from launcher.data.encode.example import Example
from launcher.storage.temporary import temporary_space

BATCH = 1024
"""Examples a record batch; the last one may have fewer."""
SCHEMA = pa.schema(
    {"input_ids": pa.large_list(pa.int32()), "labels": pa.large_list(pa.int32()), "truncated": pa.bool_()}
)

Integers = npt.NDArray[np.integer]


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write the examples that have a label, one batch in memory at a time; returns how many have none.

    Raises:
        LauncherError: there is no room for them.
    """
    masked = 0

    def labelled() -> Iterator[Example]:
        nonlocal masked
        for example in examples:
            if example.label_tokens:
                yield example
            else:
                masked += 1

    rest = labelled()
    with temporary_space(), pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        while batch := list(islice(rest, BATCH)):
            columns = [[getattr(example, name) for example in batch] for name in SCHEMA.names]
            writer.write_batch(pa.record_batch(columns, schema=SCHEMA))
    return masked


class _Lists(NamedTuple):
    """A column of lists in one batch: list `i` is `values[starts[i]:starts[i + 1]]`."""

    starts: Integers
    values: Integers

    @classmethod
    def of(cls, column: pa.LargeListArray) -> "_Lists":
        return cls(column.offsets.to_numpy(), column.values.to_numpy())

    def at(self, place: int) -> list[int]:
        numbers: list[int] = self.values[self.starts[place] : self.starts[place + 1]].tolist()
        return numbers


class ExampleTable(Sequence[Example]):
    """The examples of a file, read as they are asked for. Pickled, it is the file's path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._input_ids = [_Lists.of(batch.column("input_ids")) for batch in batches]
        self._labels = [_Lists.of(batch.column("labels")) for batch in batches]
        self._truncated = [batch.column("truncated") for batch in batches]
        self._rows = sum(int(batch.num_rows) for batch in batches)

    def __reduce__(self) -> tuple[type["ExampleTable"], tuple[Path]]:
        return ExampleTable, (self._path,)

    def __len__(self) -> int:
        return self._rows

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self._rows))]
        if not 0 <= place < self._rows:
            raise IndexError(place)
        batch, row = divmod(place, BATCH)
        ids, labels = self._input_ids[batch].at(row), self._labels[batch].at(row)
        return Example(ids, labels, self._truncated[batch][row].as_py())

    @property
    def truncated(self) -> int:
        """Examples that were cut."""
        return sum(int(column.true_count) for column in self._truncated)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example."""
        return np.concatenate([np.diff(lists.starts) for lists in self._input_ids] or [np.array([], np.int64)])


def token_counts(examples: Sequence[Example]) -> npt.NDArray[np.int64]:
    """Tokens of each example."""
    if isinstance(examples, ExampleTable):
        return examples.lengths
    return np.array([len(example.input_ids) for example in examples], dtype=np.int64)

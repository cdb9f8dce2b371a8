"""Hugging Face `datasets` streaming through its shuffle buffer, by document and packed by TRL."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal

import datasets
import numpy as np
import pyarrow as pa
import trl
from serve import FOLDER, Answer, measure, resume, serve

FILES = 8
BUFFER = 1000
"""Documents in the shuffle buffer, the usual number."""
Kind = Literal["documents", "packed", "in order"]


def write() -> Answer:
    starts = np.load(FOLDER / "starts.npy")
    tokens = np.load(FOLDER / "tokens.npy", mmap_mode="r")
    edges = np.linspace(0, len(starts) - 1, FILES + 1).astype(int).tolist()
    for begin, end in pairwise(edges):
        bounds = starts[begin : end + 1]
        values = tokens[bounds[0] : bounds[-1]].astype(np.int32)
        column = pa.ListArray.from_arrays((bounds - bounds[0]).astype(np.int32), values)
        table = pa.table({"input_ids": column})
        with pa.ipc.new_stream(str(FOLDER / f"{begin:09}.arrow"), table.schema) as out:
            out.write_table(table, max_chunksize=1000)
    return {}


def open_(kind: Kind, capacity: int) -> datasets.IterableDataset:
    files = sorted(map(str, FOLDER.glob("*.arrow")))
    rows = datasets.load_dataset("arrow", data_files=files, split="train", streaming=True, cache_dir=str(FOLDER / "hf"))
    if kind != "in order":
        rows = rows.shuffle(seed=0, buffer_size=BUFFER)
    return trl.pack_dataset(rows, capacity, "bfd") if kind == "packed" else rows


def ids(rows: datasets.IterableDataset) -> Iterator[list[int]]:
    """As Python's lists: numpy arrays come slower."""
    return (row["input_ids"] for row in rows)


def read(seconds: float, capacity: int, kind: Kind) -> Answer:
    return measure(ids(open_(kind, capacity)), seconds, capacity if kind == "packed" else None)


def resume_at(at: int, capacity: int, kind: Kind) -> Answer:
    rows = open_(kind, capacity)

    def restart(state: dict[str, Any]) -> Iterator[list[int]]:
        again = open_(kind, capacity)
        again.load_state_dict(state)
        return ids(again)

    return resume(ids(rows), at, rows.state_dict, restart)


if __name__ == "__main__":
    version = f"{datasets.__version__}, {trl.__version__}"
    serve(version, {handler.__name__: handler for handler in (write, read, resume_at)})

"""LitData: a sample a document, and fixed blocks of tokens that know no documents; both shuffled."""

from collections.abc import Iterator
from typing import Any, Literal

import litdata
import numpy as np
import torch
from litdata import StreamingDataset, TokensLoader
from litdata.streaming.writer import BinaryWriter
from serve import FOLDER, Answer, documents, measure, resume, serve

CHUNK = 8 << 20
"""Bytes. Documents are read fastest so; with chunks of 64 MB by a third slower."""
Kind = Literal["documents", "blocks"]


def write() -> Answer:
    """numpy arrays for documents: as torch tensors they are read ten times slower."""
    rows = BinaryWriter(str(FOLDER / "documents"), chunk_bytes=CHUNK)
    blocks = BinaryWriter(str(FOLDER / "blocks"), chunk_bytes=CHUNK, item_loader=TokensLoader())
    for number, document in enumerate(documents()):
        tokens = document.astype(np.int32)
        rows.add_item(number, tokens)
        blocks.add_item(number, torch.from_numpy(tokens))
    for writer in (rows, blocks):
        writer.done()
        writer.merge()
    return {}


def open_(kind: Kind, capacity: int) -> StreamingDataset:
    loader = TokensLoader(block_size=capacity) if kind == "blocks" else None
    return StreamingDataset(str(FOLDER / kind), item_loader=loader, shuffle=True)


def read(seconds: float, capacity: int, kind: Kind) -> Answer:
    return measure(open_(kind, capacity), seconds)


def resume_at(at: int, capacity: int, kind: Kind) -> Answer:
    dataset = open_(kind, capacity)

    def restart(state: dict[str, Any]) -> Iterator[Any]:
        again = open_(kind, capacity)
        again.load_state_dict(state)
        return iter(again)

    return resume(dataset, at, lambda: dataset.state_dict(at, 0, 1), restart)


if __name__ == "__main__":
    serve(litdata.__version__, {handler.__name__: handler for handler in (write, read, resume_at)})

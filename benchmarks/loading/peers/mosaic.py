"""mosaicml-streaming: a sample a document, shuffled as by default (py1e)."""

import gc
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from serve import FOLDER, Answer, documents, measure, resume, serve

sys.modules["streaming.vision"] = ModuleType("streaming.vision")  # asks for torchvision, a build for CUDA
import streaming  # noqa: E402
from streaming import MDSWriter, StreamingDataset  # noqa: E402
from streaming.base.util import clean_stale_shared_memory  # noqa: E402

LOCAL = FOLDER / "mds"
AHEAD = 8192
"""Samples that may be asked for ahead, the fastest of what was tried: with the default of 8 it sleeps between them, and
with a million it looks ahead for seconds before it reads.
"""


def write() -> Answer:
    with MDSWriter(out=str(LOCAL), columns={"tokens": "ndarray:uint16"}, hashes=["xxh64"], size_limit=8 << 20) as out:
        for document in documents():
            out.write({"tokens": document})
    return {}


def open_(**options: Any) -> StreamingDataset:
    gc.collect()  # of the dataset before: two on one folder are refused
    clean_stale_shared_memory()
    options = {"local": str(LOCAL), "shuffle": True, "batch_size": 1, "predownload": AHEAD} | options
    return StreamingDataset(**options)


def tokens(dataset: StreamingDataset) -> Iterator[npt.NDArray[np.uint16]]:
    return (sample["tokens"] for sample in dataset)


def read(seconds: float, capacity: int) -> Answer:
    return measure(tokens(open_()), seconds)


def resume_at(at: int, capacity: int) -> Answer:
    dataset = open_()

    def restart(state: dict[str, Any]) -> Iterator[npt.NDArray[np.uint16]]:
        again = open_()
        again.load_state_dict(state)
        return tokens(again)

    return resume(tokens(dataset), at, lambda: dataset.state_dict(at, from_beginning=True), restart)


def epoch(cache: str, validate: str | None) -> Answer:
    """Read an epoch from the shards as a remote through a cache: how it ends, and how many samples came."""
    count, damaged = 0, 0
    wanted = {document.tobytes() for document in documents()}
    dataset = open_(remote=str(FOLDER / "remote"), local=cache, validate_hash=validate, shuffle=False, predownload=64)
    try:
        for sample in tokens(dataset):
            count += 1
            damaged += sample.tobytes() not in wanted
        ended = "the epoch ends without an error"
    except Exception as error:
        ended = f"{type(error).__name__}: {error}"
    return {"samples": count, "damaged": damaged, "ended": ended}


def remote() -> Answer:
    """Copy the shards to a remote, with a bit flipped in one of them."""
    shutil.copytree(LOCAL, FOLDER / "remote", dirs_exist_ok=True)
    return damage(FOLDER / "remote")


def flip_cached(cache: str) -> Answer:
    return damage(Path(cache))


def damage(folder: Path) -> Answer:
    shards = sorted(folder.glob("*.mds"))
    path = shards[len(shards) // 2]
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4] ^= 4
    path.write_bytes(data)
    return {}


def unflip() -> Answer:
    shutil.copytree(LOCAL, FOLDER / "remote", dirs_exist_ok=True)
    return {}


if __name__ == "__main__":
    handlers = (write, read, resume_at, epoch, remote, flip_cached, unflip)
    serve(streaming.__version__, {handler.__name__: handler for handler in handlers})

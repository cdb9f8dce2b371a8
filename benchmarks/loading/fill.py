"""How full packs are: tokens out of what all packs of an epoch could hold."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from benchmarks.loading.bench import Bench
from benchmarks.loading.documents import lengths
from benchmarks.loading.rounds import goal
from launcher.data.dataset import load_dataset
from launcher.data.encode import encode_rows
from launcher.data.prepared.shards import BlockSize
from launcher.data.stream.packing import Packing, window_blocks
from launcher.data.stream.stream import Stream
from launcher.model.quiet import quiet_libraries
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.load import load_recipe
from launcher.recipe.recipe import Recipe

CAPACITIES = (2_048, 4_096)
LOG_NORMAL = {"log-normal, mean 163": (163, 0.8), "log-normal, mean 400": (400, 1.0)}
"""Mean tokens, and standard deviation of their logarithm."""
DOCUMENTS = 200_000
Settings = Mapping[str, Any]
TEXT: Settings = {"kind": "text"}
MOOD: Settings = {
    "kind": "instruction", "prompt": "{text} The mood is", "completion": "{label}", "end_token": "<s>",
}  # fmt: skip
REAL: dict[str, tuple[Settings, Settings]] = {
    "financial-phrasebank": (
        {
            "kind": "csv",
            "url": "financial-phrasebank/all-data.csv",
            "encoding": "latin-1",
            "columns": ["label", "text"],
        },
        MOOD,
    ),
    "sst2": ({"kind": "tsv", "url": "sst2/train.tsv", "columns": ["text", "label"]}, MOOD),
    "imdb, subset": ({"kind": "csv", "url": "imdb/imdb_subset_train.csv"}, MOOD),
    "imdb, labelled": ({"kind": "labelled-lines", "url": "imdb/imdb_labelled.txt", "separator": "\t"}, MOOD),
    "medical-terms": (
        {"kind": "csv", "url": "medical-terms/disease_ontology_terms.csv"},
        {"kind": "instruction", "prompt": "What is {term}?", "completion": " {definition}"},
    ),
    "instructions": (
        {"kind": "json", "url": "instructions/alpaca_en_demo.json"},
        {"kind": "instruction", "prompt": "{instruction} {input}", "completion": " {output}"},
    ),
    "tinyshakespeare": ({"kind": "text", "url": "tinyshakespeare/input.txt", "documents": "paragraph"}, TEXT),
}
"""Where the rows are below `data`, and what is learnt from them."""


@dataclass(frozen=True)
class Lengths:
    """An index of documents by their tokens alone, in blocks of the usual number."""

    documents: npt.NDArray[np.int64]

    @cached_property
    def _blocks(self) -> list[npt.NDArray[np.int64]]:
        size = BlockSize().documents
        return [self.documents[start : start + size] for start in range(0, len(self.documents), size)]

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        return np.array([len(block) for block in self._blocks])

    @cached_property
    def tokens(self) -> npt.NDArray[np.int64]:
        return np.array([block.sum() for block in self._blocks])

    def lengths(self, block: int) -> npt.NDArray[np.int64]:
        return self._blocks[block]


def fill(bench: Bench) -> None:
    """Print a table, and what is asked of log-normal lengths."""
    quiet_libraries("cpu")
    print("| documents | number | tokens | fill at 2,048 | fill at 4,096 |\n|---|---|---|---|---|")
    least = 1.0
    for name, (mean, sigma) in LOG_NORMAL.items():
        drawn = lengths(DOCUMENTS, mean, sigma)
        fills = [packed_fill(drawn, capacity) for capacity in CAPACITIES]
        least = min(least, *fills)
        print(_row(name, drawn, fills))
    for name, task in REAL.items() if bench.shared.is_dir() else ():
        found = [real_lengths(bench.shared, *task, capacity) for capacity in CAPACITIES]
        fills = [packed_fill(each, capacity) for each, capacity in zip(found, CAPACITIES, strict=True)]
        print(_row(name, found[-1], fills), flush=True)
    print("\n" + goal("least fill on log-normal lengths", least, 0.995))


def packed_fill(documents: npt.NDArray[np.int64], capacity: int) -> float:
    """Over one epoch, its last pack included."""
    index = Lengths(documents)
    stream = Stream(index, Packing("packed", capacity, 0, window_blocks(index, capacity)), "")
    tokens = packs = 0
    for number in range(stream.windows):
        window = stream.window(replace(stream.start, window=number))
        tokens += int(window.pieces.tokens.sum())
        packs += len(window.living(0))
    return tokens / (packs * capacity)


def real_lengths(shared: Path, source: Settings, task: Settings, capacity: int) -> npt.NDArray[np.int64]:
    """Tokens of each training row, by the launcher's own reading and encoding and the model's tokenizer."""
    with _recipe(shared, source, task, capacity) as recipe:
        tokenizer = load_tokenizer(shared / "models" / "stories260k", recipe.model)
        rows = load_dataset(recipe).train
        examples = encode_rows(rows, recipe.task, tokenizer, capacity)
        return np.array([len(example.input_ids) for example in examples])


@contextmanager
def _recipe(shared: Path, source: Settings, task: Settings, capacity: int) -> Iterator[Recipe]:
    """A recipe that trains on all rows of a real set but one of each class, as it asks for something to test on."""
    written = {
        "name": "fill",
        "description": "Pack fill of a real data set",
        "model": {"kind": "pretrained", "name_or_path": str(shared / "models" / "stories260k")},
        "data": {"train": {**source, "url": str(shared / "data" / source["url"])}, "split": {"test_per_class": 1}},
        "method": {"kind": "lora", "r": 8, "lora_alpha": 16},
        "strategy": {"kind": "ddp"},
        "task": dict(task),
        "training": {"max_steps": 1, "max_length": capacity},
    }
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as name:
        path = Path(name) / "fill.yaml"
        path.write_text(yaml.safe_dump(written))
        yield load_recipe(str(path))


def _row(name: str, documents: npt.NDArray[np.int64], fills: list[float]) -> str:
    return f"| {name} | {len(documents):,} | {documents.sum():,} | {' | '.join(f'{fill:.4f}' for fill in fills)} |"

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.command import Bench

SMALL: dict[str, Any] = {
    "name": "small",
    "model": {"kind": "scratch", "vocab_size": 320, "max_position_embeddings": 96},
    "method": {"kind": "full"},
    "task": {
        "kind": "instruction",
        "prompt": "{text} Mood:",
        "completion": " {label}",
        "label_words": {"negative": "negative", "neutral": "neutral", "positive": "positive"},
    },
    "data": {
        "train": {"kind": "headlines", "rows_per_class": 320, "templates": "seen", "seed": 1},
        "test": {"kind": "headlines", "rows_per_class": 10, "templates": "held-out", "seed": 2},
    },
    "strategy": {"kind": "ddp"},
    "training": {"max_steps": 60, "global_batch_size": 16, "max_length": 96, "learning_rate": 0.003},
}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Bench:
    """A folder with `small.yaml`, which trains a model in seconds."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return Bench(folder, shared)

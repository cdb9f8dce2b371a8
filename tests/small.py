"""A recipe that trains in seconds, for what surrounds training."""

from typing import Any

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

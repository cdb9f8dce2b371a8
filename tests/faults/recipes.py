"""Recipes of small runs: 60 steps of a tenth of a second or less."""

import json
from pathlib import Path
from typing import Any

import yaml

STEPS = 60
NEWS = "data/financial-phrasebank/Sentences_AllAgree.txt"
MODEL = {"kind": "scratch", "vocab_size": 320, "max_position_embeddings": 128}
WIDE = {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 2, "num_attention_heads": 4}
"""Two ranks' files are then longer than what is sent in one request."""
TRAINING = {
    "max_steps": STEPS,
    "max_length": 128,
    "global_batch_size": 12,
    "per_device_train_batch_size": 2,
    "learning_rate": 0.003,
    "save_steps": 3,
    "save_total_limit": None,
}
ANSWER = {"kind": "instruction", "prompt": "{text} Tone:", "completion": " {tone}"}


def write_recipes(folder: Path, shared: Path) -> None:
    """Put `text.yaml` (packed), `answers.yaml` (padded, with dropout) and `wide.yaml` into a folder, and their rows."""
    lines = (shared / NEWS).read_text(encoding="latin-1").splitlines()[:160]
    rows = [dict(zip(("text", "tone"), line.rsplit("@", 1), strict=True)) for line in lines]
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    text: dict[str, Any] = {
        "name": "text",
        "model": MODEL,
        "method": {"kind": "full"},
        "task": {"kind": "text"},
        "data": {"train": {"kind": "jsonl", "url": "rows.jsonl"}, "split": {"test_per_class": 8}},
        "strategy": {"kind": "ddp"},
        "training": {**TRAINING, "packing": True},
        "evaluation": {"classical": False},
    }
    lora = {"kind": "lora", "r": 4, "lora_dropout": 0.1, "target_modules": "all-linear"}
    answers = {**text, "name": "answers", "task": ANSWER, "method": lora, "training": TRAINING}
    answers["model"] = {"kind": "pretrained", "name_or_path": str(shared / "models/stories260k")}
    short = {"max_length": 64, "global_batch_size": 4, "save_steps": 5}
    wide = {**text, "name": "wide", "model": {**MODEL, **WIDE}, "training": {**TRAINING, **short, "packing": True}}
    for recipe in (text, answers, wide):
        (folder / f"{recipe['name']}.yaml").write_text(yaml.safe_dump(recipe))

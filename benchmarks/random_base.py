"""Random weights in a known shape, and text to train them on, so that speed and memory need no download.

    python -m benchmarks.random_base llama-3.1-8b FOLDER [--documents 20000]

writes FOLDER/base, with a tokenizer of 300 words, and FOLDER/train.jsonl and FOLDER/test.jsonl.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.model.scratch import make_tokenizer
from launcher.plan.shapes import KNOWN

TINY: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 400,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}
"""A shape for a machine without a GPU."""
SHAPES = {name: shape for name, shape in KNOWN.items() if "llama" in name} | {"tiny": TINY}
WORDS = ("a", "good", "day", "and", "bad")
TEST_DOCUMENTS = 64


def write_base(folder: Path, shape: dict[str, Any], device: torch.device) -> None:
    """Weights in bf16, and a small tokenizer."""
    tokenizer = make_tokenizer([" ".join(WORDS)], vocab_size=300, max_length=8192)
    tokenizer.save_pretrained(folder)
    config = {name: value for name, value in shape.items() if name != "model_type"}
    with device:
        LlamaForCausalLM(LlamaConfig(**config)).bfloat16().save_pretrained(folder)


def write_text(file: Path, documents: int, seed: int) -> None:
    """Documents whose numbers of words are log-normal, of a thousand at the median."""
    chance = random.Random(seed)
    with file.open("w") as lines:
        for _ in range(documents):
            words = chance.choices(WORDS, k=int(chance.lognormvariate(6.9, 0.8)) + 1)
            print(json.dumps({"text": " ".join(words)}), file=lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=20_000)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    write_text(chosen.folder / "train.jsonl", chosen.documents, seed=1)
    write_text(chosen.folder / "test.jsonl", TEST_DOCUMENTS, seed=2)
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    write_base(chosen.folder / "base", SHAPES[chosen.shape], where)


if __name__ == "__main__":
    main()

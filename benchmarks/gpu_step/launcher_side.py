"""The launcher's own loading, engine and loop, on one rank."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from benchmarks.gpu_step.work import LEARNING_RATE, PIECES, RANK, Asked, Clock, device, documents
from launcher.data.encode import Example
from launcher.model.packing import use_varlen
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.recipe.recipe import Recipe
from launcher.train.assemble import make_loop
from launcher.train.loop import train
from tests.memory_set import MemorySet
from tests.train.ranks import rank_of

METHODS: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora", "r": RANK, "lora_alpha": 2 * RANK, "lora_dropout": 0.0, "target_modules": "all-linear"},
}
METHODS["qlora"] = METHODS["lora"] | {"kind": "qlora"}


def recipe_of(asked: Asked) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "gpu",
            "model": {"kind": "pretrained", "name_or_path": str(asked.base)},
            "method": METHODS[asked.method],
            "task": {"kind": "text"},
            "data": {"train": {"kind": "jsonl", "url": "none.jsonl"}, "split": {"test_per_class": 1}},
            "strategy": {"kind": "ddp"},
            "training": {
                "precision": "bf16",
                "packing": True,
                "max_steps": asked.steps,
                "per_device_train_batch_size": 1,
                "global_batch_size": 1,
                "learning_rate": LEARNING_RATE,
                "max_length": asked.tokens,
                "gradient_checkpointing": asked.checkpointing,
                "use_liger_kernel": asked.liger,
                "save_strategy": "no",
            },
        }
    )


def main() -> None:
    asked, clock = Asked.of_words(), Clock()
    made = recipe_of(asked)
    rows = MemorySet([Example(each, each, truncated=False) for each in documents(asked)], documents=PIECES)
    with tempfile.TemporaryDirectory() as folder:
        distributed.init_process_group(
            "nccl" if torch.cuda.is_available() else "gloo",
            init_method=f"file://{folder}/meeting",
            rank=0,
            world_size=1,
        )
        batches = rows.plan(made.training, world=1)
        assert batches.rows == asked.steps, "every pack is full"
        rank = rank_of(0, 1, made, rows.documents, Path(folder))
        rank = replace(rank, device=device(), job=replace(rank.job, batches=batches))
        model = trainable_model(made, asked.base, load_tokenizer(asked.base, made.model), device())
        use_varlen(model, device(), torch.bfloat16)
        for _ in train(make_loop(rank, model, rows.feed(made.training, pad_id=0))):
            clock.tick()
        distributed.destroy_process_group()
    clock.report()


if __name__ == "__main__":
    main()

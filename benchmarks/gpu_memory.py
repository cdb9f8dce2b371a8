"""Peak memory of a GPU against the plan's: `python -m benchmarks.gpu_memory [--shape llama-2-7b] [--only lora ...]`.

Random weights in a known shape, written once to a temporary folder; each case in a process of its own, two steps at
each length, through the launcher's own loading, optimiser and engine. It prints what torch had allocated at the most,
beside the plan's terms without CUDA's context and idle blocks, and what torch had reserved. Without a GPU the same path
runs with a tiny shape, and nothing is measured.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from benchmarks.random_base import TINY, write_base
from launcher.data.batch import Batch
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.plan.memory import estimate, setting_of
from launcher.plan.shapes import KNOWN
from launcher.recipe.recipe import Recipe
from launcher.train.engines.build import build_engine
from launcher.train.engines.ops import build_ops
from launcher.train.loss import summed_loss
from launcher.train.optimizer import make_optimizer

GIB = 2**30
OUTSIDE_TORCH = ("fragmentation", "CUDA context and NCCL", "libraries")


@dataclass(frozen=True)
class Case:
    method: dict[str, Any]
    strategy: dict[str, Any]
    checkpointing: bool


DDP = {"kind": "ddp"}
CASES = {
    "qlora": Case({"kind": "qlora"}, DDP, False),
    "qlora-checkpointing": Case({"kind": "qlora"}, DDP, True),
    "lora": Case({"kind": "lora"}, DDP, False),
    "lora-checkpointing": Case({"kind": "lora"}, DDP, True),
    "lora-zero2": Case({"kind": "lora"}, {"kind": "deepspeed", "zero_stage": 2}, False),
    "full-zero2-offload": Case(
        {"kind": "full"}, {"kind": "deepspeed", "zero_stage": 2, "offload_optimizer": True}, True
    ),
    "full-zero3": Case({"kind": "full"}, {"kind": "deepspeed", "zero_stage": 3}, True),
}


def recipe_of(case: Case, folder: str, length: int) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "gpu-memory",
            "model": {"kind": "pretrained", "name_or_path": folder},
            "method": case.method,
            "task": {"kind": "text"},
            "data": {"train": {"kind": "jsonl", "url": "none.jsonl"}, "split": {"test_per_class": 1}},
            "strategy": case.strategy,
            "evaluation": {"batch_size": 1},
            "training": {
                "precision": "bf16",
                "packing": True,  # rows without padding need no mask
                "per_device_train_batch_size": 1,
                "max_length": length,
                "gradient_checkpointing": case.checkpointing,
                "save_strategy": "no",
            },
        }
    )


def measure(name: str, folder: str, shape: dict[str, Any], length: int) -> dict[str, Any]:
    """Two steps of a case, in this process: bytes."""
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    recipe = recipe_of(CASES[name], folder, length)
    setting = setting_of(recipe, shape, 1, "cuda" if device.type == "cuda" else "cpu")
    assert setting is not None
    planned = estimate(setting)
    build_ops(device.type)
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{folder}/{name}-{length}",
        rank=0,
        world_size=1,
    )
    model = trainable_model(recipe, Path(folder), load_tokenizer(Path(folder), recipe.model), device)
    model.train()
    engine = build_engine(recipe, model, make_optimizer(model, recipe.training))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    ids = torch.randint(0, shape["vocab_size"], (1, length))
    batch = Batch(ids, torch.ones_like(ids), ids, tokens=length, label_tokens=length).to(device)
    for _ in range(2):
        engine.accumulate(partial(_loss, batch=batch), last=True)
        engine.step()
    allocated, reserved = (
        (torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()) if device.type == "cuda" else (None, None)
    )
    distributed.destroy_process_group()
    training = max(("loss", "blocks", "step"), key=lambda phase: _at(planned.terms, phase))
    inside = _at([term for term in planned.terms if term.name not in OUTSIDE_TORCH], training)
    return {
        "case": name,
        "length": length,
        "planned": inside,
        "allocated": allocated,
        "reserved": reserved,
        "at": training,
    }


def _at(terms: Any, phase: str) -> int:
    return sum(term.size for term in terms if phase in term.phases and not term.host)


def _loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    return summed_loss(model, batch) / batch.label_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", default="llama-2-7b", choices=[name for name in KNOWN if "llama" in name])
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 2048, 4096])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    shape = KNOWN[chosen.shape] if torch.cuda.is_available() else TINY
    if chosen.one:
        name, folder, length = chosen.one
        print(json.dumps(measure(name, folder, shape, int(length))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_base(Path(folder), shape, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        print("| case | tokens | planned GiB | allocated GiB | ratio | reserved GiB | peak at |")
        print("|---|---|---|---|---|---|---|")
        for name in chosen.only:
            for length in chosen.lengths:
                print(_row(name, folder, length, chosen.shape), flush=True)


def _row(name: str, folder: str, length: int, shape: str) -> str:
    command = [sys.executable, "-m", "benchmarks.gpu_memory", "--shape", shape, "--one", name, folder, str(length)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LOCAL_RANK": "0"})
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        return f"| {name} | {length} | | {reason[:100]} | | | |"
    told = json.loads(done.stdout.strip().splitlines()[-1])
    planned = f"{told['planned'] / GIB:.2f}"
    if told["allocated"] is None:
        return f"| {name} | {length} | {planned} | not measured | | | {told['at']} |"
    ratio = told["planned"] / told["allocated"]
    allocated, reserved = told["allocated"] / GIB, told["reserved"] / GIB
    return f"| {name} | {length} | {planned} | {allocated:.2f} | {ratio:.2f} | {reserved:.2f} | {told['at']} |"


if __name__ == "__main__":
    main()

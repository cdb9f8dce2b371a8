"""What every side of `benchmarks.gpu` trains; imports nothing of the launcher, as peers have another environment."""

import argparse
import itertools
import json
import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

METHODS = ("full", "lora", "qlora")
PIECES = 8
"""Documents of equal length in a pack, so that every way of packing fills its rows."""
WARM_UP, LEARNING_RATE, RANK = 3, 1e-5, 16


@dataclass(frozen=True)
class Asked:
    """What a side is to do."""

    base: Path
    method: str
    steps: int
    tokens: int
    checkpointing: bool
    liger: bool = False
    """Of the launcher's side."""

    @classmethod
    def of_words(cls) -> "Asked":
        parser = argparse.ArgumentParser()
        parser.add_argument("base", type=Path)
        parser.add_argument("method", choices=METHODS)
        parser.add_argument("steps", type=int)
        parser.add_argument("tokens", type=int)
        parser.add_argument("--checkpointing", action="store_true")
        parser.add_argument("--liger", action="store_true")
        return cls(**vars(parser.parse_args()))

    def words(self) -> list[str]:
        found = [str(self.base), self.method, str(self.steps), str(self.tokens)]
        return found + ["--checkpointing"] * self.checkpointing + ["--liger"] * self.liger

    @property
    def document(self) -> int:
        """Tokens of a document."""
        return self.tokens // PIECES


def device() -> torch.device:
    local = int(os.environ.get("LOCAL_RANK", "0"))
    return torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")


def documents(asked: Asked) -> list[list[int]]:
    """Token ids, each a label too: one pack for every step and rank."""
    vocabulary = json.loads((asked.base / "config.json").read_text())["vocab_size"]
    generator = torch.Generator().manual_seed(1)
    count = PIECES * asked.steps * int(os.environ.get("WORLD_SIZE", "1"))
    return torch.randint(3, vocabulary, (count, asked.document), generator=generator).tolist()


def lora() -> LoraConfig:
    return LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, lora_dropout=0.0, target_modules="all-linear")


def base_model(asked: Asked) -> Any:
    """Full fine-tuning has fp32 weights and computes in bf16; frozen weights are bf16 or NF4."""
    options: dict[str, Any] = {"dtype": torch.float32 if asked.method == "full" else torch.bfloat16}
    if asked.method == "qlora":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    return AutoModelForCausalLM.from_pretrained(asked.base, use_cache=False, device_map=device(), **options)


def plain_model(asked: Asked) -> Any:
    """As peft's own examples put it together."""
    made = base_model(asked)
    how = {"use_reentrant": False}
    if asked.method == "qlora":
        made = prepare_model_for_kbit_training(made, asked.checkpointing, how)
    elif asked.checkpointing:
        made.gradient_checkpointing_enable(how)
        made.enable_input_require_grads()
    return (made if asked.method == "full" else get_peft_model(made, lora())).train()


@dataclass
class Clock:
    """Seconds after each step, when the device is done with it; the peak is taken once it is warm."""

    times: list[float] = field(default_factory=list)

    def tick(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())

    def report(self) -> None:
        """One line of JSON: the median step in seconds, and the most bytes that torch had allocated."""
        taken = [after - before for before, after in itertools.pairwise(self.times[WARM_UP:])]
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
        print(json.dumps({"step_s": statistics.median(taken), "peak": peak}))

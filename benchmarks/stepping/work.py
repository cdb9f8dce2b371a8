"""What every side of `benchmarks.step` trains; imports nothing of the launcher, as peers have another environment."""

import itertools
import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

BATCH, TOKENS, WORDS, WARM_UP, LEARNING_RATE = 4, 256, 2048, 5, 1e-4
MASKED = -100
PROMPT = "prompt"
"""The file beside a base that says how many tokens of a row are masked."""
CASES = ("full", "lora", "nf4")


def write_base(folder: Path, words: int = WORDS, prompt: int = 0) -> None:
    """A Llama of about four million weights and an embedding and a head for `words`."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 8}
    LlamaForCausalLM(LlamaConfig(vocab_size=words, use_cache=False, pad_token_id=0, **sizes)).save_pretrained(folder)
    (folder / PROMPT).write_text(str(prompt))


def lora() -> LoraConfig:
    return LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear")


def base(case: str, folder: Path) -> Any:
    """Frozen weights in NF4 for `nf4`, else fp32."""
    options: dict[str, Any] = {"dtype": torch.float32}
    if case == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        )
    return AutoModelForCausalLM.from_pretrained(folder, use_cache=False, **options)


def model(case: str, folder: Path) -> Any:
    torch.manual_seed(0)
    made = base(case, folder)
    if case == "nf4":
        made = prepare_model_for_kbit_training(made, use_gradient_checkpointing=False)
    return made.train() if case == "full" else get_peft_model(made, lora()).train()


def rows(folder: Path) -> list[tuple[list[int], list[int]]]:
    """Token ids and labels: tokens of the prompt have none."""
    words = json.loads((folder / "config.json").read_text())["vocab_size"]
    prompt = int((folder / PROMPT).read_text())
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, words, (64, TOKENS), generator=generator).tolist()
    return [(row, [MASKED] * prompt + row[prompt:]) for row in ids]


def median_step(times: Iterable[float]) -> float:
    """Seconds of one step by the clock after each, without the first few."""
    return statistics.median(after - before for before, after in itertools.pairwise(list(times)[WARM_UP:]))

"""Whatever is trained, the base can be had back exactly: base and tuned model are compared through one model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from launcher.model.adapt import TrainableModel, adapt, base_only
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

IDS = torch.tensor([[1, 261, 7, 30, 12], [1, 4, 9, 200, 11]])
CLASSES = {"kind": "classification", "labels": ["sad", "happy", "both"]}
OPTIONS: list[dict[str, Any]] = [
    {"kind": "lora", "use_dora": True},
    {"kind": "lora", "use_rslora": True, "init_lora_weights": "gaussian"},
    {"kind": "lora", "init_lora_weights": "orthogonal"},
    {"kind": "lora", "init_lora_weights": False},
    {"kind": "lora", "bias": "all", "modules_to_save": ["norm"]},
    {"kind": "lora", "target_modules": ["q_proj", "embed_tokens"], "use_dora": True},
    {"kind": "lora", "exclude_modules": ["k_proj"], "modules_to_save": ["k_proj"]},
    {"kind": "qlora", "use_dora": True, "modules_to_save": ["embed_tokens"]},
    {"kind": "qlora", "init_lora_weights": "gaussian", "quantization": {"type": "fp4", "storage_dtype": "float32"}},
    {"kind": "qlora", "init_lora_weights": False, "quantization": {"type": "int8"}},
]


def logits(model: TrainableModel, precision: str) -> torch.Tensor:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        return model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits


def train(model: TrainableModel, precision: str) -> None:
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=0.02)
    model.train()
    for _ in range(3):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = model(input_ids=IDS).logits.float().log_softmax(-1)[..., 0].sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()


def check(base: PreTrainedModel, recipe: Recipe) -> None:
    """`base` is adapted, trained, and then asked for what it said before."""
    precision = recipe.training.precision
    before = logits(base.eval(), precision)
    model = adapt(base, recipe)
    train(model, precision)
    tuned = logits(model, precision)
    assert not torch.allclose(tuned, before)
    with base_only(model):
        assert torch.equal(logits(model, precision), before)
    assert torch.equal(logits(model, precision), tuned)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("task", [None, CLASSES])
@pytest.mark.parametrize("method", OPTIONS, ids=str)
def test_a_llama_says_what_it_said_before(
    stories: Path,
    recipe_of: Callable[..., Recipe],
    method: dict[str, Any],
    task: dict[str, Any] | None,
    precision: str,
) -> None:
    sections = {"method": method, "training": {"precision": precision}, **({"task": task} if task else {})}
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}, **sections)
    check(load_model(recipe, stories, load_tokenizer(stories, recipe.model), torch.device("cpu")), recipe)


@pytest.fixture
def bert() -> BertForSequenceClassification:
    """A small BERT whose biases are not zero, as they are when it is made."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    model = BertForSequenceClassification(BertConfig(vocab_size=300, num_labels=3, **shape))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("bias", ["none", "all", "lora_only"])
@pytest.mark.parametrize("more", [{}, {"use_dora": True}], ids=str)
def test_a_bert_says_what_it_said_before_though_its_biases_are_trained(
    bert: BertForSequenceClassification,
    recipe_of: Callable[..., Recipe],
    bias: str,
    more: dict[str, Any],
    precision: str,
) -> None:
    method = {"kind": "lora", "bias": bias, **more}
    recipe = recipe_of(method=method, task=CLASSES, training={"precision": precision})
    torch.nn.Module.to(bert, torch.bfloat16 if precision == "bf16" else torch.float32)
    check(bert, recipe)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("bias", "trained"), [("none", 0), ("all", 18), ("lora_only", 13)])
def test_biases_are_trained_as_asked_for_and_in_fp32(
    bert: BertForSequenceClassification,
    recipe_of: Callable[..., Recipe],
    bias: str,
    trained: int,
    precision: torch.dtype,
) -> None:
    torch.nn.Module.to(bert, precision)
    model = adapt(bert, recipe_of(method={"kind": "lora", "bias": bias}, task=CLASSES))
    head = "modules_to_save"  # is trained whole in any case
    biases = [each for name, each in model.named_parameters() if name.endswith("bias") and head not in name]
    changed = [each for each in biases if each.requires_grad]
    assert len(changed) == trained
    assert {each.dtype for each in changed} <= {torch.float32}

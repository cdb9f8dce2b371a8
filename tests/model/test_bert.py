"""A BERT made on the spot: it learns to tell classes of real texts apart, by every method."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from launcher.data.dataset import load_dataset
from launcher.data.encode import encode_rows, encode_test_rows, whole_text
from launcher.data.rows import Row
from launcher.evaluate.outcome import best_label
from launcher.evaluate.score import score
from launcher.model.adapt import adapt
from launcher.model.load import load_model
from launcher.model.scratch import make_scratch_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.model import Scratch
from launcher.recipe.recipe import Recipe
from launcher.train.loop import train
from launcher.train.loss import summed_loss
from tests.packs import collate
from tests.train.ranks import loop_of, on_ranks, rank_of

LABELS = ["negative", "positive"]
SST2 = {
    "train": {"kind": "tsv", "url": "sst2/train.tsv", "columns": ["text", "label"]},
    "test": {"kind": "tsv", "url": "sst2/test.tsv", "columns": ["text", "label"]},
}
IMDB = {
    "train": {"kind": "csv", "url": "imdb/imdb_subset_train.csv"},
    "test": {"kind": "csv", "url": "imdb/imdb_subset_test.csv"},
}


def recipe_for(data: dict[str, Any], folder: Path, length: int) -> Recipe:
    """A classification recipe on real files, with a BERT of one layer from scratch."""
    sources = {name: {**source, "url": f"{folder}/{source['url']}"} for name, source in data.items()}
    return Recipe.model_validate(
        {
            "name": "bert",
            "model": {
                "kind": "scratch",
                "architecture": "bert",
                "vocab_size": 4000,
                "intermediate_size": 128,
                "num_hidden_layers": 1,
                "max_position_embeddings": length,
            },
            "method": {"kind": "full"},
            "task": {"kind": "classification", "labels": LABELS},
            "data": {**sources, "labels": {"0": "negative", "1": "positive"}},
            "strategy": {"kind": "ddp"},
            "training": {
                "num_train_epochs": 2,
                "max_length": length,
                "global_batch_size": 32,
                "per_device_train_batch_size": 32,
                "learning_rate": 3e-3,
                "warmup_ratio": 0.1,
                "weight_decay": 0.01,
            },
        }
    )


def accuracy(rank: int, world: int, recipe: Recipe, folder: Path) -> tuple[float, float]:
    """Share of right test rows after training, and the share of the most frequent class."""
    dataset = load_dataset(recipe)
    assert isinstance(recipe.model, Scratch)
    make_scratch_model(recipe.model, folder / "base", [whole_text(row, recipe.task) for row in dataset.train])
    tokenizer = load_tokenizer(folder / "base", recipe.model)
    length, pad_id = recipe.training.max_length, int(tokenizer.pad_token_id)
    rows = list(encode_rows(dataset.train, recipe.task, tokenizer, length))
    model = adapt(load_model(recipe, folder / "base", tokenizer, torch.device("cpu")), recipe)
    me = rank_of(rank, world, recipe, len(rows), folder)
    losses = [record.measured.loss for record in train(loop_of(me, model, rows, pad_id))]
    print(f"loss {losses[0]:.3f} -> {sum(losses[-20:]) / 20:.3f}")
    questions = encode_test_rows(dataset.test, recipe.task, tokenizer, length)
    scores = score(model, questions, pad_id=pad_id, batch_size=64, device=me.device)
    true = [row.label for row in dataset.test]
    right = sum(best_label(each, LABELS) == label for each, label in zip(scores, true, strict=True))
    return right / len(true), max(Counter(true).values()) / len(true)


CASES = {"sst2": (SST2, 64, 0.70), "imdb": (IMDB, 192, 0.75)}
"""Data, tokens a row at the most, and the accuracy that is to be reached; half of the rows are of either class."""


@pytest.mark.parametrize(
    ("data", "length", "least"),
    [pytest.param(*CASES["sst2"], id="sst2"), pytest.param(*CASES["imdb"], id="imdb", marks=pytest.mark.slow)],
)
def test_a_small_bert_tells_classes_apart(
    shared: Path, tmp_path: Path, data: dict[str, Any], length: int, least: float
) -> None:
    started = time.monotonic()
    recipe = recipe_for(data, shared / "data", length)
    right, majority = on_ranks(1, tmp_path, accuracy, recipe, tmp_path)[0]
    print(f"accuracy {right:.3f}, majority {majority:.3f}, in {time.monotonic() - started:.0f} s")
    assert right >= least > majority + 0.15


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["full", "lora", "qlora"])
def test_every_method_trains_a_bert_and_its_head(
    recipe_of: Callable[..., Recipe], tmp_path: Path, kind: str, precision: str
) -> None:
    recipe = recipe_of(
        model={"kind": "scratch", "architecture": "bert", "vocab_size": 120},
        method={"kind": kind},
        task={"kind": "classification", "labels": LABELS},
        training={"precision": precision, "gradient_checkpointing": True},
    )
    assert isinstance(recipe.model, Scratch)
    make_scratch_model(recipe.model, tmp_path, ["the dog was sad", "the cat was glad"] * 9)
    tokenizer = load_tokenizer(tmp_path, recipe.model)
    model = adapt(load_model(recipe, tmp_path, tokenizer, torch.device("cpu")), recipe).train()
    rows = [Row({"text": "the dog was sad"}, "negative"), Row({"text": "glad"}, "positive")]
    batch = collate(list(encode_rows(rows, recipe.task, tokenizer, 16)), int(tokenizer.pad_token_id))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        summed_loss(model, batch).backward()
    gradients = {name: each.grad for name, each in model.named_parameters() if each.requires_grad}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert {name for name in gradients if "classifier" in name and name.endswith("weight")}
    adapters = {name for name in gradients if "lora_" in name}
    assert bool(adapters) == (kind != "full")
    assert kind == "full" or all(name in adapters or "classifier" in name for name in gradients)

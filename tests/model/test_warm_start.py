"""A new adapter goes on from another run's."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

from launcher.checkpoint.journal import Journal
from launcher.errors import InvalidInput
from launcher.model.adapt import TrainableModel, adapt
from launcher.model.warm_start import absolute, read_adapter
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store

CLASSES = {"kind": "classification", "labels": ["sad", "happy", "both"]}
METHOD: dict[str, Any] = {"kind": "lora", "r": 4, "target_modules": ["q_proj", "v_proj"], "modules_to_save": ["norm"]}


class Trainer:
    """Makes adapters of the real model."""

    def __init__(self, folder: Path, recipe_of: Callable[..., Recipe]) -> None:
        self.folder = folder
        self.recipe_of = recipe_of

    def recipe(self, task: dict[str, Any] | None = None, **changes: Any) -> Recipe:
        sections = {"task": task} if task else {}
        return self.recipe_of(method={**METHOD, **changes}, **sections)

    def base(self) -> PreTrainedModel:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(self.folder)
        return model

    def store(self, into: Path, **changes: Any) -> TrainableModel:
        """An adapter whose every weight was moved, and its files."""
        model = adapt(self.base(), self.recipe(**changes))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1)
        model.save_pretrained(into)
        return model

    def refused(self, place: Path | str, **changes: Any) -> str:
        with pytest.raises(InvalidInput) as caught:
            adapt(self.base(), self.recipe(warm_start=str(place), **changes))
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def trainer(stories: Path, recipe_of: Callable[..., Recipe]) -> Trainer:
    return Trainer(stories, recipe_of)


def trained(model: TrainableModel) -> dict[str, torch.Tensor]:
    return {name: each.detach() for name, each in model.named_parameters() if each.requires_grad}


def assert_same(one: TrainableModel, other: TrainableModel) -> None:
    mine, theirs = trained(one), trained(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"use_dora": True},
        {"use_rslora": True, "lora_alpha": 7},
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": "all-linear", "exclude_modules": ["k_proj"]},
        {"layers_to_transform": [1, 4]},
        {"bias": "all", "modules_to_save": ["input_layernorm", "embed_tokens"]},
    ],
    ids=str,
)
def test_an_adapter_starts_with_the_weights_of_another(
    trainer: Trainer, tmp_path: Path, changes: dict[str, Any]
) -> None:
    before = trainer.store(tmp_path, **changes)
    after = adapt(trainer.base(), trainer.recipe(warm_start=str(tmp_path), **changes))
    assert_same(before, after)
    assert {each.dtype for each in trained(after).values()} == {torch.float32}
    ids = torch.tensor([[1, 261, 7]])
    assert torch.equal(before.eval()(input_ids=ids).logits, after.eval()(input_ids=ids).logits)


def test_the_adapter_of_a_loaded_run_takes_the_place_of_the_one_that_it_started_from(
    trainer: Trainer, tmp_path: Path
) -> None:
    before = trainer.store(tmp_path)
    recipe = trainer.recipe(warm_start="/nowhere/any/more")
    assert_same(before, adapt(trainer.base(), recipe, adapter=str(tmp_path)))


def test_the_base_is_the_recipes_whatever_base_the_adapter_had(trainer: Trainer, tmp_path: Path) -> None:
    changes = {"target_modules": ["embed_tokens", "q_proj"]}  # PEFT stores the embedding's own weights with these
    trainer.store(tmp_path, **changes)
    other = trainer.base()
    embedding = other.get_input_embeddings().weight
    with torch.no_grad():
        embedding.add_(1)
    kept = embedding.detach().clone()
    adapt(other, trainer.recipe(warm_start=str(tmp_path), **changes))
    assert torch.equal(embedding, kept)


def run_directory(root: Store, *checkpoints: str) -> None:
    root.create("recipe.yaml", b"name: moods\n")
    attempt = Journal(root).open_attempt("local", "1", ["here"])
    for step, name in enumerate(checkpoints):
        attempt.commit(step, name, "0" * 64)


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_run_gives_the_adapter_that_it_committed_last(trainer: Trainer, tmp_path: Path, scheme: str) -> None:
    trainer.store(tmp_path / "checkpoints" / "1", lora_alpha=1)
    last = trainer.store(tmp_path / "model")
    run_directory(Store.open(str(tmp_path)), "checkpoints/1", "model")
    assert_same(last, adapt(trainer.base(), trainer.recipe(warm_start=f"{scheme}{tmp_path}")))


def test_a_run_in_an_object_store_is_read(trainer: Trainer, tmp_path: Path) -> None:
    before = trainer.store(tmp_path)
    try:
        root = Store.open("memory://warm-start/run")
        root.upload(tmp_path, "model")
        run_directory(root, "model")
        for place in ("memory://warm-start/run", "memory://warm-start/run/", "memory://warm-start/run/model"):
            assert_same(before, adapt(trainer.base(), trainer.recipe(warm_start=place)))
    finally:
        fsspec.filesystem("memory").rm("/warm-start", recursive=True)


def test_what_is_not_committed_is_not_read(trainer: Trainer, tmp_path: Path) -> None:
    trainer.store(tmp_path / "model")
    run_directory(Store.open(str(tmp_path)))
    assert "the run has committed no model" in trainer.refused(tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"r": 8}, "has r 4, the recipe 8"),
        ({"lora_alpha": 16}, "has lora_alpha 32, the recipe 16"),
        ({"use_dora": True}, "has use_dora false, the recipe true"),
        ({"use_rslora": True}, "has use_rslora false, the recipe true"),
        ({"bias": "all"}, "has bias none, the recipe all"),
        ({"target_modules": ["q_proj"]}, "has for model.layers.0.self_attn.v_proj and 4 more"),
        ({"target_modules": "all-linear"}, "has no weights for model.layers.0.mlp.down_proj and 24 more"),
        (
            {"modules_to_save": []},
            "the recipe has no place for what {place} has for model.layers.0.input_layernorm and 10 more",
        ),
        ({"modules_to_save": ["embed_tokens", "norm"]}, "{place} has no weights for model.embed_tokens"),
    ],
    ids=str,
)
def test_what_differs_is_named(trainer: Trainer, tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    trainer.store(tmp_path)
    told = trainer.refused(tmp_path, **changes)
    assert told.startswith("method.warm_start: ")
    assert expected.format(place=tmp_path) in told
    assert told.endswith("; change the recipe's method, or start anew")


def test_a_base_of_another_shape_is_found_by_its_shapes(
    trainer: Trainer, tmp_path: Path, recipe_of: Callable[..., Recipe]
) -> None:
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 5, "num_attention_heads": 4}
    recipe = recipe_of(method={**METHOD, "modules_to_save": []})
    adapt(LlamaForCausalLM(LlamaConfig(vocab_size=96, **shape)), recipe).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": str(trainer.folder)})
    )
    assert trainer.refused(tmp_path, modules_to_save=[]) == (
        f"method.warm_start: model.layers.0.self_attn.q_proj of {tmp_path} is 4x32 there but 4x64 here; "
        "give one of the same base model"
    )


def test_an_adapter_that_rewrote_its_base_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    trainer.store(tmp_path)
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "init_lora_weights": "pissa_niter_4"}))
    assert "was started by pissa_niter_4, which rewrote its base" in trainer.refused(tmp_path)


def test_another_method_than_lora_is_refused(trainer: Trainer, tmp_path: Path) -> None:
    trainer.store(tmp_path)
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "peft_type": "IA3"}))
    assert trainer.refused(tmp_path) == f"method.warm_start: {tmp_path} holds IA3, not LORA"


def test_ranks_or_scales_that_vary_by_module_are_refused(trainer: Trainer, tmp_path: Path) -> None:
    trainer.store(tmp_path)
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "alpha_pattern": {"q_proj": 3}}))
    assert trainer.refused(tmp_path).endswith("has alpha_pattern, which a recipe cannot say")


class Harm:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return (shutil.move, ("adapter_config.json", "harmed"))


def test_weights_are_never_unpickled(trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer.store(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    (tmp_path / "adapter_model.bin").write_bytes(pickle.dumps(Harm()))
    assert f"{tmp_path} cannot be read: it holds no adapter_model.safetensors" in trainer.refused(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(pickle.dumps(Harm()))
    assert f"adapter_model.safetensors of {tmp_path} is damaged" in trainer.refused(tmp_path)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("place", ["/nowhere", "memory://nowhere", "gopher://nowhere/run", "file:///nowhere/run"])
def test_a_place_that_cannot_be_read_is_told(trainer: Trainer, place: str) -> None:
    told = trainer.refused(place)
    assert told.startswith(f"method.warm_start: {place} cannot be read: ")
    assert told.endswith("; give the run directory of a finished LoRA or QLoRA run")


def test_a_configuration_that_is_no_json_is_told(trainer: Trainer, tmp_path: Path) -> None:
    trainer.store(tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    assert f"{tmp_path} cannot be read: " in trainer.refused(tmp_path)


def test_a_relative_place_can_be_told_to_other_processes(
    trainer: Trainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.store(tmp_path / "adapter")
    monkeypatch.chdir(tmp_path)
    assert absolute("adapter") == str(tmp_path / "adapter")
    assert absolute("s3://bucket/run") == "s3://bucket/run"
    assert read_adapter("adapter").config == read_adapter(absolute("adapter")).config


def test_a_head_of_other_labels_is_refused(stories: Path, tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    def classifier(labels: int) -> PreTrainedModel:
        model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(stories, num_labels=labels)
        return model

    adapt(classifier(2), recipe_of(method=METHOD, task=CLASSES)).save_pretrained(tmp_path)
    recipe = recipe_of(method={**METHOD, "warm_start": str(tmp_path)}, task=CLASSES)
    with pytest.raises(InvalidInput, match=r"score of .* is 2x64 there but 3x64 here"):
        adapt(classifier(3), recipe)

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import PreTrainedModel

from launcher.model.adapt import TrainableModel, adapt, base_only, trainable_parameters
from launcher.model.config import model_config
from launcher.model.load import load_model
from launcher.model.scratch import make_scratch_model
from launcher.model.tokenizer import load_tokenizer
from launcher.plan.parameters import count_parameters
from launcher.recipe.recipe import Recipe

Make = Callable[..., TrainableModel]

CLASSES = {"kind": "classification", "labels": ["sad", "happy", "both"]}
IDS = torch.tensor([[1, 261, 7, 300, 12]])
CPU = torch.device("cpu")


def loaded(recipe: Recipe, folder: Path) -> PreTrainedModel:
    return load_model(recipe, folder, load_tokenizer(folder, recipe.model), CPU)


def adapted(recipe: Recipe, folder: Path) -> TrainableModel:
    return adapt(loaded(recipe, folder), recipe)


@pytest.fixture
def real(stories: Path, recipe_of: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """A recipe for the real model."""

    def build(add_tokens: tuple[str, ...] = (), **sections: Any) -> Recipe:
        base = {"kind": "pretrained", "name_or_path": str(stories), "add_tokens": list(add_tokens)}
        return recipe_of(model=base, **sections)

    return build


def disturb(model: TrainableModel) -> None:
    """Change everything that is trained, as training would."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)


def logits(model: TrainableModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits


METHODS = [
    {"kind": "full"},
    {"kind": "lora"},
    {"kind": "lora", "r": 4, "target_modules": ["q_proj", "v_proj", "down_proj"]},
    {"kind": "lora", "target_modules": ["q_proj", "embed_tokens"]},
    {"kind": "lora", "modules_to_save": ["embed_tokens"]},
    {"kind": "lora", "modules_to_save": ["norm"]},
    {"kind": "lora", "modules_to_save": ["input_layernorm", "q_proj"]},
    {"kind": "qlora"},
    {"kind": "qlora", "r": 2, "target_modules": ["k_proj"]},
    {"kind": "qlora", "quantization": {"type": "int8"}},
    {"kind": "qlora", "quantization": {"type": "fp4", "storage_dtype": "float32"}, "use_dora": True},
    {"kind": "lora", "use_dora": True},
    {"kind": "lora", "use_dora": True, "target_modules": ["q_proj", "embed_tokens"]},
    {"kind": "lora", "bias": "all"},
    {"kind": "lora", "exclude_modules": ["k_proj", "up_proj"]},
    {"kind": "lora", "use_dora": True, "target_modules": ["q_proj", "embed_tokens"], "layers_to_transform": [0, 3]},
    {"kind": "lora", "use_rslora": True, "init_lora_weights": "orthogonal"},
]


@pytest.mark.parametrize("task", [None, CLASSES])
@pytest.mark.parametrize("method", METHODS, ids=str)
def test_the_plan_counts_the_weights_that_are_trained(
    real: Callable[..., Recipe], stories: Path, method: dict[str, Any], task: dict[str, Any] | None
) -> None:
    recipe = real(method=method, **({"task": task} if task else {}))
    count = count_parameters(model_config(recipe.model), recipe.method, recipe.task)
    assert count is not None
    assert trainable_parameters(adapted(recipe, stories)) == count.trainable


@pytest.mark.parametrize("method", [{"kind": "lora", "target_modules": ["q_proj", "lm_head"]}])
def test_the_plan_counts_an_adapter_on_the_output_layer(
    real: Callable[..., Recipe], stories: Path, method: dict[str, Any]
) -> None:
    recipe = real(method=method)
    count = count_parameters(model_config(recipe.model), recipe.method, recipe.task)
    assert count is not None
    assert trainable_parameters(adapted(recipe, stories)) == count.trainable


@pytest.mark.parametrize("task", [None, CLASSES])
@pytest.mark.parametrize("kind", ["full", "lora", "qlora"])
def test_the_plan_counts_a_model_from_scratch(
    recipe_of: Callable[..., Recipe], tmp_path: Path, kind: str, task: dict[str, Any] | None
) -> None:
    scratch = {"kind": "scratch", "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64}
    recipe = recipe_of(model=scratch, method={"kind": kind}, **({"task": task} if task else {}))
    make_scratch_model(recipe.model, tmp_path, ["a few words", "and a few more words"] * 50)
    model = adapted(recipe, tmp_path)
    config = {**model_config(recipe.model), "vocab_size": model.config.vocab_size}
    count = count_parameters(config, recipe.method, recipe.task)
    assert count is not None
    assert trainable_parameters(model) == count.trainable
    if kind != "qlora":  # 4-bit weights are packed two to a byte
        assert sum(parameter.numel() for parameter in model.parameters()) == count.total + (
            model.config.num_labels * 32 if task and kind == "lora" else 0  # PEFT keeps the head as it was, too
        )


@pytest.mark.parametrize("task", [None, CLASSES])
@pytest.mark.parametrize("kind", ["full", "lora", "qlora"])
def test_the_plan_counts_added_tokens(
    real: Callable[..., Recipe], stories: Path, kind: str, task: dict[str, Any] | None
) -> None:
    recipe = real(("<a>", "<b>"), method={"kind": kind}, **({"task": task} if task else {}))
    count = count_parameters(model_config(recipe.model), recipe.method, recipe.task, new_tokens=2)
    assert count is not None
    assert trainable_parameters(adapted(recipe, stories)) == count.trainable


def test_added_tokens_are_trained_whole_beside_adapters(real: Callable[..., Recipe], stories: Path) -> None:
    model = adapted(real(("<a>",), method={"kind": "lora"}), stories)
    whole = {name for name, each in model.named_parameters() if each.requires_grad and "lora_" not in name}
    assert {name.partition(".modules_to_save")[0].rpartition(".")[2] for name in whole} == {"embed_tokens", "lm_head"}
    assert model(input_ids=torch.tensor([[1, 512]])).logits.shape == (1, 2, 513)


def test_an_adapter_with_added_tokens_is_read_back_as_it_was(
    real: Callable[..., Recipe], stories: Path, tmp_path: Path
) -> None:
    recipe = real(("<a>",), method={"kind": "lora"})
    model = adapted(recipe, stories)
    disturb(model)
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(loaded(recipe, stories), tmp_path)
    assert torch.equal(logits(model.eval()), logits(again.eval()))


@pytest.mark.parametrize("task", [None, CLASSES])
@pytest.mark.parametrize("kind", ["lora", "qlora"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_base_is_there_exactly_whatever_was_trained(
    real: Callable[..., Recipe], stories: Path, kind: str, precision: str, task: dict[str, Any] | None
) -> None:
    recipe = real(
        method={"kind": kind, "modules_to_save": ["embed_tokens"]},
        training={"precision": precision},
        **({"task": task} if task else {}),
    )
    base, model = loaded(recipe, stories).eval(), adapted(recipe, stories).eval()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        before = logits(base)
        disturb(model)
        tuned = logits(model)
        with base_only(model):
            assert torch.equal(logits(model), before)
        assert torch.equal(logits(model), tuned)
    assert not torch.allclose(tuned, before)


def test_full_fine_tuning_keeps_no_base(real: Callable[..., Recipe], stories: Path) -> None:
    model = adapted(real(), stories)
    disturb(model)
    tuned = logits(model)
    with base_only(model):
        assert torch.equal(logits(model), tuned)


@pytest.mark.parametrize("kind", ["lora", "qlora"])
@pytest.mark.parametrize("task", [None, CLASSES])
def test_every_trained_weight_is_fp32(
    real: Callable[..., Recipe], stories: Path, kind: str, task: dict[str, Any] | None
) -> None:
    method = {"kind": kind, "modules_to_save": ["embed_tokens"]}
    recipe = real(method=method, training={"precision": "bf16"}, **({"task": task} if task else {}))
    model = adapted(recipe, stories)
    assert {each.dtype for each in model.parameters() if each.requires_grad} == {torch.float32}
    assert torch.bfloat16 in {each.dtype for each in model.parameters() if not each.requires_grad}


def test_adapters_are_drawn_by_the_seed_and_change_nothing_at_first(real: Callable[..., Recipe], stories: Path) -> None:
    draws = iter(range(9))

    def drawn(seed: int) -> torch.Tensor:
        recipe = real(method={"kind": "lora"}, training={"seed": seed})
        model = loaded(recipe, stories)
        torch.rand(next(draws))  # what was drawn before must not matter
        model = adapt(model, recipe)
        return torch.cat([each.flatten() for each in model.parameters() if each.requires_grad])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    recipe = real(method={"kind": "lora"})
    assert torch.equal(logits(adapted(recipe, stories).eval()), logits(loaded(recipe, stories)))


def test_adapters_are_as_the_recipe_says(real: Callable[..., Recipe], stories: Path) -> None:
    method = {"kind": "lora", "r": 4, "lora_alpha": 6, "lora_dropout": 0.25, "target_modules": ["o_proj"]}
    model = adapted(real(method=method), stories)
    layers = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    assert len(layers) == 5
    for name, layer in layers.items():
        assert name.endswith("o_proj")
        assert (layer.r["default"], layer.scaling["default"], layer.lora_dropout["default"].p) == (4, 1.5, 0.25)


@pytest.mark.parametrize("kind", ["full", "lora", "qlora"])
def test_gradient_checkpointing_changes_no_gradient(real: Callable[..., Recipe], stories: Path, kind: str) -> None:
    gradients = []
    for enabled in (False, True):
        model = adapted(real(method={"kind": kind}, training={"gradient_checkpointing": enabled}), stories).train()
        assert any(getattr(module, "gradient_checkpointing", False) for module in model.modules()) == enabled
        disturb(model)
        model(input_ids=IDS).logits.square().mean().backward()
        gradients.append([each.grad for each in model.parameters() if each.requires_grad])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, recomputed)

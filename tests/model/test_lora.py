"""Each choice of an adapter, seen in the model that comes of it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from launcher.errors import InvalidInput
from launcher.model.adapt import TrainableModel, adapt
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

Make = Callable[..., PeftModel]
IDS = torch.tensor([[1, 261, 7, 300, 12]])


@pytest.fixture
def make(stories: Path, recipe_of: Callable[..., Recipe]) -> Make:
    """The real model adapted as these fields of `method` say."""

    def build(kind: str = "lora", **fields: Any) -> TrainableModel:
        base = {"kind": "pretrained", "name_or_path": str(stories)}
        recipe = recipe_of(model=base, method={"kind": kind, **fields})
        return adapt(load_model(recipe, stories, load_tokenizer(stories, recipe.model), torch.device("cpu")), recipe)

    return build


def layers(model: PeftModel) -> dict[str, LoraLayer]:
    prefix = "base_model.model.model."
    return {
        name.removeprefix(prefix): module for name, module in model.named_modules() if isinstance(module, LoraLayer)
    }


def base_says(stories: Path) -> torch.Tensor:
    with torch.inference_mode():
        return AutoModelForCausalLM.from_pretrained(stories)(input_ids=IDS).logits


def says(model: PeftModel) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(input_ids=IDS).logits


def test_rank_stabilised_adapters_are_scaled_by_the_root_of_the_rank(make: Make) -> None:
    plain, stabilised = (
        {layer.scaling["default"] for layer in layers(make(r=8, lora_alpha=12, use_rslora=use)).values()}
        for use in (False, True)
    )
    assert plain == {12 / 8}
    assert stabilised == {12 / math.sqrt(8)}


@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_dora_has_the_length_of_each_output_as_a_weight(make: Make, kind: str) -> None:
    model = make(kind, use_dora=True, target_modules=["q_proj", "down_proj"])
    assert len(layers(model)) == 2 * 5
    for layer in layers(model).values():
        magnitude = layer.lora_magnitude_vector["default"].weight
        base = layer.get_base_layer().weight
        weight = base if kind == "lora" else dequantize_4bit(base.data, base.quant_state)
        torch.testing.assert_close(magnitude, weight.norm(dim=1))
        assert magnitude.requires_grad


@pytest.mark.parametrize(
    "fields", [{}, {"init_lora_weights": "gaussian"}, {"init_lora_weights": "orthogonal"}, {"use_dora": True}], ids=str
)
def test_adapters_change_nothing_at_first(make: Make, stories: Path, fields: dict[str, Any]) -> None:
    torch.testing.assert_close(says(make(**fields)), base_says(stories), atol=1e-4, rtol=1e-4)


def test_adapters_that_start_at_random_change_the_output_but_not_the_base(make: Make, stories: Path) -> None:
    model = make(init_lora_weights=False)
    assert not torch.allclose(says(model), base_says(stories), atol=0.1)
    with model.disable_adapter():
        assert torch.equal(says(model), base_says(stories))


def test_gaussian_adapters_are_drawn_with_the_inverse_rank_as_deviation(make: Make) -> None:
    drawn = torch.cat(
        [layer.lora_A["default"].weight.flatten() for layer in layers(make(r=8, init_lora_weights="gaussian")).values()]
    )
    assert abs(drawn.std() * 8 - 1) < 0.05
    assert drawn.abs().max() > 3 / 8  # a uniform distribution ends before


def test_orthogonal_adapters_cancel_out_at_first(make: Make) -> None:
    for layer in layers(make(r=8, init_lora_weights="orthogonal")).values():
        inner, outer = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        assert (outer @ inner).abs().max() < 1e-5 * outer.norm() * inner.norm()
        assert min(outer.abs().max(), inner.abs().max()) > 0.01


def test_modules_are_left_out_by_name_and_by_layer(make: Make) -> None:
    some = layers(make(target_modules=["q_proj", "up_proj"], layers_to_transform=[0, 3]))
    assert sorted(some) == [
        f"layers.{layer}.{name}" for layer in (0, 3) for name in ("mlp.up_proj", "self_attn.q_proj")
    ]
    rest = {name.rpartition(".")[2] for name in layers(make(exclude_modules=["up_proj", "k_proj"]))}
    assert rest == {"q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"}


def test_what_peft_refuses_is_told_in_one_line(make: Make) -> None:
    with pytest.raises(
        InvalidInput, match=r"^method: PEFT refuses it: Target modules \{'c_attn'\} not found"
    ) as caught:
        make(target_modules=["c_attn"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["lora", "qlora"])
def test_all_that_is_trained_is_fp32_with_every_choice(make: Make, kind: str) -> None:
    model = make(kind, use_dora=True, modules_to_save=["norm"], init_lora_weights="gaussian")
    assert {each.dtype for each in model.parameters() if each.requires_grad} == {torch.float32}

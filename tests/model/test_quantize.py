"""Every way of storing the frozen weights trains on a CPU, and says what was asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit, Linear8bitLt
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedModel

from launcher.model.adapt import adapt
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

Load = Callable[..., tuple[PreTrainedModel, Recipe]]
IDS = torch.randint(3, 512, (8, 24), generator=torch.Generator().manual_seed(0))
LAYER = "model.layers.0.mlp.up_proj"


@pytest.fixture
def load(stories: Path, recipe_of: Callable[..., Recipe]) -> Load:
    def build(precision: str = "fp32", more: dict[str, Any] | None = None, **fields: Any) -> Any:
        method = {"kind": "qlora", "r": 8, "quantization": fields, **(more or {})}
        base = {"kind": "pretrained", "name_or_path": str(stories)}
        recipe = recipe_of(model=base, method=method, training={"precision": precision})
        return load_model(recipe, stories, load_tokenizer(stories, recipe.model), torch.device("cpu")), recipe

    return build


def losses(model: PeftModel | PreTrainedModel, precision: str, steps: int = 20) -> list[float]:
    """Of training on one batch, as it is before each step, with a scoring first: it must leave weights trainable."""
    told = []
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with torch.inference_mode(), autocast:
        model.eval()(input_ids=IDS)
    model.train()
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=3e-3)
    for _ in range(steps):
        with autocast:
            loss = model(input_ids=IDS, labels=IDS).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        told.append(loss.item())
    return told


def stored(weight: torch.Tensor) -> bytes:
    """The bits of a weight; read as numbers, some of them are no number."""
    return weight.detach().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "fields",
    [
        {"type": "nf4", "double_quantization": False},
        {"type": "fp4"},
        {"type": "nf4", "compute_dtype": "float16"},
        {"type": "fp4", "compute_dtype": "bfloat16", "double_quantization": False},
        {"type": "nf4", "storage_dtype": "bfloat16"},
        {"type": "fp4", "storage_dtype": "float16"},
        {"type": "nf4", "storage_dtype": "float32"},
        {"type": "int8"},
        {"type": "int8", "outlier_threshold": 0.0},
        {"type": "int8", "outlier_threshold": 1.0},
    ],
    ids=str,
)
def test_adapters_learn_over_quantised_weights(load: Load, fields: dict[str, Any], precision: str) -> None:
    base, recipe = load(precision, **fields)
    before = {name: stored(each) for name, each in base.named_parameters()}
    model = adapt(base, recipe)
    told = losses(model, precision)
    assert told[0] > 15
    assert told[-1] < 7
    for name, each in model.named_parameters():
        if not each.requires_grad:
            original = name.removeprefix("base_model.model.").replace(".base_layer", "")
            assert stored(each) == before[original]


@pytest.mark.parametrize("type", ["nf4", "fp4"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dora_learns_over_4_bits(load: Load, type: str, precision: str) -> None:
    base, recipe = load(precision, {"use_dora": True}, type=type)
    told = losses(adapt(base, recipe), precision)
    assert told[0] > 15
    assert told[-1] < 7


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"type": "fp4", "double_quantization": False}, torch.uint8),
        ({"type": "nf4", "storage_dtype": "bfloat16"}, torch.bfloat16),
        ({"type": "fp4", "storage_dtype": "float32"}, torch.float32),
    ],
)
def test_4_bit_weights_are_stored_as_asked_for(load: Load, fields: dict[str, Any], stored: torch.dtype) -> None:
    layer = load(**fields)[0].get_submodule(LAYER)
    assert isinstance(layer, Linear4bit)
    assert layer.weight.dtype == stored
    assert layer.weight.nbytes == layer.in_features * layer.out_features / 2
    assert layer.weight.quant_state.quant_type == fields["type"]
    assert layer.weight.quant_state.nested == fields.get("double_quantization", True)


def test_how_bits_are_stored_changes_no_number(load: Load) -> None:
    kinds = ("uint8", "bfloat16", "float16", "float32")
    outputs = [load(storage_dtype=kind)[0](input_ids=IDS).logits for kind in kinds]
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])


@pytest.mark.parametrize(("asked", "threshold"), [(None, 6.0), (3.0, 3.0), (0.0, 0.0)])
def test_int8_weights_take_a_byte_and_outliers_their_own_way(load: Load, asked: float | None, threshold: float) -> None:
    model, _ = load(type="int8", outlier_threshold=asked)
    layer = model.get_submodule(LAYER)
    assert isinstance(layer, Linear8bitLt)
    assert layer.weight.dtype == torch.int8
    assert (layer.state.threshold, layer.state.has_fp16_weights) == (threshold, False)
    assert type(model.get_submodule("lm_head")) is torch.nn.Linear


@pytest.mark.parametrize("type", ["nf4", "fp4", "int8"])
def test_a_quantised_model_says_nearly_what_the_model_says(load: Load, stories: Path, type: str) -> None:
    packed = load(type=type)[0](input_ids=IDS).logits
    whole = AutoModelForCausalLM.from_pretrained(stories)(input_ids=IDS).logits
    agreement = torch.cosine_similarity(whole.flatten(), packed.flatten(), dim=0)
    assert 0.97 < agreement < 0.999999


def test_a_cast_destroys_bits_that_are_stored_as_floating_point(load: Load) -> None:
    """Why `storage_dtype` is held against what DeepSpeed casts weights to."""
    layer = load(storage_dtype="float16")[0].get_submodule(LAYER)
    inputs = torch.randn(3, 64, generator=torch.Generator().manual_seed(0))
    before = layer(inputs)
    layer.weight.data = layer.weight.data.to(torch.bfloat16)
    assert not torch.allclose(layer(inputs), before, atol=0.1)


def test_bitsandbytes_casts_biases_as_it_runs() -> None:
    """Why biases of quantised layers cannot be trained."""
    layer = Linear4bit(32, 32, bias=True, compute_dtype=torch.bfloat16).to("cpu").train()
    layer(torch.zeros(1, 32))
    assert layer.bias.dtype == torch.bfloat16


def test_peft_loses_the_scales_of_int8_weights_on_a_cpu_under_dora(load: Load) -> None:
    """Why that is refused."""
    base, recipe = load(more={"use_dora": True}, type="int8")
    with pytest.raises(AttributeError):
        losses(adapt(base, recipe), "fp32")

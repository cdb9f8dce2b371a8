import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes.nn import Linear4bit
from transformers import PreTrainedModel

from launcher.errors import InvalidInput
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

Load = Callable[..., PreTrainedModel]

CLASSES = {"kind": "classification", "labels": ["sad", "happy", "both"]}
CPU = torch.device("cpu")


@pytest.fixture
def load(stories: Path, recipe_of: Callable[..., Recipe]) -> Load:
    """The real model as a recipe with these sections loads it."""

    def build(folder: Path = stories, add_tokens: tuple[str, ...] = (), **sections: Any) -> PreTrainedModel:
        base = {"kind": "pretrained", "name_or_path": str(folder), "add_tokens": list(add_tokens)}
        recipe = recipe_of(model=base, **sections)
        return load_model(recipe, folder, load_tokenizer(folder, recipe.model), CPU)

    return build


@pytest.mark.parametrize(
    ("method", "precision", "dtype"),
    [
        ("full", "fp32", torch.float32),
        ("full", "bf16", torch.float32),
        ("lora", "fp32", torch.float32),
        ("lora", "bf16", torch.bfloat16),
    ],
)
def test_frozen_weights_take_the_precision_and_trained_ones_are_fp32(
    load: Load, method: str, precision: str, dtype: torch.dtype
) -> None:
    model = load(method={"kind": method}, training={"precision": precision})
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert not model.training
    assert (model.config.pad_token_id, model.config.use_cache) == (0, False)


@pytest.mark.parametrize("task", [None, CLASSES])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_qlora_loads_4_bits_doubly_quantised_and_leaves_the_head_alone(
    load: Load, task: dict[str, Any] | None, precision: str
) -> None:
    sections = {"task": task} if task else {}
    model = load(method={"kind": "qlora"}, training={"precision": precision}, **sections)
    quantised = {name: module for name, module in model.named_modules() if isinstance(module, Linear4bit)}
    assert {name.rpartition(".")[2] for name in quantised} == {
        *("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    }
    assert len(quantised) == 7 * 5
    compute = torch.bfloat16 if precision == "bf16" else torch.float32
    for module in quantised.values():
        assert module.weight.dtype == torch.uint8
        assert module.weight.numel() == module.in_features * module.out_features // 2
        assert module.weight.quant_state.nested
        assert module.weight.quant_state.quant_type == "nf4"
        assert module.compute_dtype == compute
    head = model.score if task else model.lm_head
    assert type(head) is torch.nn.Linear
    assert head.weight.dtype == compute


def test_quantisation_follows_the_recipe(load: Load) -> None:
    quantization = {"double_quantization": False, "compute_dtype": "bfloat16"}
    model = load(method={"kind": "qlora", "quantization": quantization})
    module = model.get_submodule("model.layers.0.mlp.up_proj")
    assert not module.weight.quant_state.nested
    assert module.compute_dtype == torch.bfloat16


def test_a_quantised_model_says_nearly_what_the_model_says(load: Load) -> None:
    ids = torch.tensor([[1, 403, 407, 261, 378]])
    whole, packed = (load(method={"kind": kind})(input_ids=ids).logits for kind in ("lora", "qlora"))
    agreement = torch.cosine_similarity(whole.flatten(), packed.flatten(), dim=0)
    assert 0.97 < agreement < 0.99999


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_a_head_is_drawn_by_the_seed_alone(load: Load, method: str) -> None:
    draws = iter(range(9))

    def head(seed: int) -> torch.Tensor:
        torch.rand(next(draws))  # what was drawn before must not matter
        weight = load(method={"kind": method}, task=CLASSES, training={"seed": seed}).score.weight
        assert isinstance(weight, torch.Tensor)
        return weight

    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))
    assert head(1).shape == (3, 64)


def test_a_head_is_the_same_for_every_method(load: Load) -> None:
    full, lora, qlora = (load(method={"kind": kind}, task=CLASSES).score.weight for kind in ("full", "lora", "qlora"))
    assert torch.equal(full, lora)
    assert torch.equal(full, qlora)


def test_a_head_knows_the_names_of_its_labels(load: Load) -> None:
    config = load(task=CLASSES).config
    assert config.id2label == {0: "sad", 1: "happy", 2: "both"}
    assert config.label2id == {"sad": 0, "happy": 1, "both": 2}


def test_the_embedding_grows_with_added_tokens_and_keeps_its_rows(load: Load) -> None:
    plain, grown, again = load(), load(add_tokens=("<a>", "<b>")), load(add_tokens=("<a>", "<b>"))
    weight = grown.get_input_embeddings().weight
    assert (weight.shape, grown.config.vocab_size) == ((514, 64), 514)
    assert torch.equal(weight[:512], plain.get_input_embeddings().weight)
    assert torch.equal(weight, again.get_input_embeddings().weight)
    assert grown.get_output_embeddings().weight is weight
    assert grown(input_ids=torch.tensor([[1, 513]])).logits.shape == (1, 2, 514)


def test_tokens_that_are_known_already_grow_nothing(load: Load) -> None:
    assert load(add_tokens=("<unk>", "</s>")).config.vocab_size == 512


@pytest.mark.parametrize("damage", ["missing", "cut", "unknown"])
def test_weights_that_do_not_load_are_told_in_one_line(load: Load, tmp_path: Path, stories: Path, damage: str) -> None:
    folder = Path(shutil.copytree(stories, tmp_path / "model"))
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.unlink()
    if damage == "cut":
        weights.write_bytes(whole[: len(whole) // 2])
    if damage == "unknown":
        (folder / "config.json").write_text('{"model_type": "zork"}')
    with pytest.raises(InvalidInput) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)

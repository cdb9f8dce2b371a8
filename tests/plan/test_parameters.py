from collections.abc import Callable
from typing import Any

import pytest
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
)

from launcher.errors import InvalidInput
from launcher.plan.parameters import ParameterCount, count_parameters
from launcher.recipe.method import Full, Lora, Method
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import SequenceClassification, Task

FULL = Full(kind="full")
CLASSES = SequenceClassification(kind="classification", labels=["a", "b", "c"])
SHAPE: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
LLAMA = {**SHAPE, "model_type": "llama"}


@pytest.fixture
def text(recipe_of: Callable[..., Recipe]) -> Task:
    return recipe_of().task


def lora(**fields: Any) -> Lora:
    return Lora(kind="lora", **fields)


def counted(task: Task, method: Method = FULL, config: dict[str, Any] = LLAMA, **more: int) -> ParameterCount:
    count = count_parameters(config, method, task, **more)
    assert count is not None
    return count


@pytest.mark.parametrize(
    "more", [{}, {"tie_word_embeddings": True}, {"head_dim": 16}, {"num_key_value_heads": None}], ids=str
)
def test_a_whole_llama_is_counted_from_its_configuration(text: Task, more: dict[str, Any]) -> None:
    config = LlamaConfig(**{**SHAPE, **more})
    asked = {**LLAMA, **more}
    for model, task in (
        (LlamaForCausalLM(config), text),
        (LlamaForSequenceClassification(LlamaConfig(**{**SHAPE, **more}, num_labels=3)), CLASSES),
    ):
        count = counted(task, config=asked)
        assert count.total == count.trainable == sum(each.numel() for each in model.parameters())


def test_mistral_is_built_alike(text: Task) -> None:
    model = MistralForCausalLM(MistralConfig(**SHAPE))
    assert counted(text, config={**SHAPE, "model_type": "mistral"}).total == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("other", [{"model_type": "gpt2"}, {"attention_bias": True}, {"mlp_bias": True}], ids=str)
def test_what_is_built_otherwise_is_not_counted(text: Task, other: dict[str, Any]) -> None:
    assert count_parameters({**LLAMA, **other}, FULL, text) is None


def test_llama_2_7b_has_its_published_counts(text: Task) -> None:
    config = {
        "model_type": "llama",
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    }
    count = counted(text, lora(r=16, target_modules=["q_proj", "v_proj"]), config)
    assert counted(text, config=config).total == 6_738_415_616
    assert count.trainable == 8_388_608
    assert count.total == 6_738_415_616 + 8_388_608


def test_matrices_leave_out_what_is_looked_up_or_multiplied_elementwise(text: Task) -> None:
    blocks = 3 * (32 * 32 * 2 + 32 * 16 * 2 + 32 * 48 * 3)
    assert counted(text).matrices == blocks + 32 * 96
    assert counted(text, config={**LLAMA, "tie_word_embeddings": True}).matrices == blocks + 32 * 96
    assert counted(CLASSES).matrices == blocks + 32 * 3
    assert counted(text, lora()).matrices == blocks + 32 * 96


def test_modules_that_are_trained_whole_are_counted_once(text: Task) -> None:
    without, named = (counted(text, lora(r=2, target_modules=names)) for names in (["q_proj"], ["q_proj"] * 2))
    assert without == named
    whole = counted(text, lora(r=2, modules_to_save=["q_proj"], target_modules=["q_proj", "k_proj"]))
    assert whole.trainable == 3 * (32 * 32 + 2 * (32 + 16))


def test_a_name_stands_for_every_module_that_ends_in_it(text: Task) -> None:
    without = counted(text, lora()).trainable
    assert counted(text, lora(modules_to_save=["norm"])).trainable - without == (3 * 2 + 1) * 32
    assert counted(text, lora(modules_to_save=["input_layernorm"])).trainable - without == 3 * 32


def test_new_tokens_grow_embedding_and_output_layer(text: Task) -> None:
    assert counted(text, new_tokens=5) == counted(text, config={**LLAMA, "vocab_size": 101})
    plain, grown = counted(text, lora()), counted(text, lora(), new_tokens=5)
    assert grown.trainable - plain.trainable == 2 * 101 * 32
    assert counted(CLASSES, lora(), new_tokens=5).trainable - counted(CLASSES, lora()).trainable == 101 * 32


@pytest.mark.parametrize(
    ("method", "key", "name"),
    [
        (lora(target_modules=["q_proj", "v_porj"]), "target_modules", "v_porj"),
        (lora(target_modules=["q"]), "target_modules", "q"),
        (lora(exclude_modules=["k_porj"]), "exclude_modules", "k_porj"),
        (lora(modules_to_save=["embed_tokens", "head"]), "modules_to_save", "head"),
    ],
)
def test_a_module_that_the_model_does_not_have_is_named(method: Method, key: str, name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^method\.{key}: the model has no module '{name}'; known are q_proj, k_"):
        count_parameters(LLAMA, method, CLASSES)


def test_dora_trains_a_length_for_each_output(text: Task) -> None:
    plain, dora = (counted(text, lora(r=2, target_modules=["k_proj"], use_dora=use)) for use in (False, True))
    assert dora.trainable - plain.trainable == 3 * 16


def test_layers_and_modules_that_are_left_out_are_not_counted(text: Task) -> None:
    one = counted(text, lora(r=2, target_modules=["q_proj"], layers_to_transform=[1])).trainable
    assert one == 2 * (32 + 32)
    assert (
        counted(text, lora(r=2, target_modules=["q_proj", "lm_head"], layers_to_transform=[0, 2])).trainable == 2 * one
    )
    assert (
        counted(text, lora(r=2, target_modules=["q_proj", "k_proj"], exclude_modules=["k_proj"])).trainable == 3 * one
    )


@pytest.mark.parametrize("layers", [[], [0, 3]])
def test_layers_that_the_model_does_not_have_are_told(text: Task, layers: list[int]) -> None:
    with pytest.raises(InvalidInput, match=r"^method\.layers_to_transform: expected numbers from 0 to 2, the model's"):
        counted(text, lora(target_modules=["q_proj"], layers_to_transform=layers))


def test_excluding_every_target_is_told(text: Task) -> None:
    with pytest.raises(InvalidInput, match=r"^method\.exclude_modules: no module is left to adapt"):
        counted(text, lora(target_modules=["q_proj"], exclude_modules=["q_proj", "k_proj"]))

"""The base model of a dry run, and its tokenizer."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from launcher.data.encode import IGNORED, encode_row
from launcher.data.rows import Row
from launcher.dryrun.base import dry_base
from launcher.dryrun.generated import generated_rows
from launcher.errors import InvalidInput
from launcher.model.tokenizer import load_tokenizer, rows_needed
from launcher.plan.preview import planned_config
from launcher.recipe.load import load_recipe
from launcher.recipe.model import Pretrained, Scratch
from launcher.recipe.recipe import Recipe

RecipeOf = Callable[..., Recipe]


def rows_of(recipe: Recipe) -> list[Row]:
    return list(islice(generated_rows(recipe.task, "data.train"), 30))


@pytest.mark.parametrize("reference", ["llama3.1-8b/chat-lora", "llama3.1-8b/alpaca-full-zero3", "bert-base/imdb"])
def test_without_a_network_it_is_made_with_a_tokenizer_that_encodes_the_rows(reference: str, tmp_path: Path) -> None:
    recipe = load_recipe(reference)
    config, rows = planned_config(recipe.model), rows_of(recipe)
    base = dry_base(recipe, config, rows, tmp_path)
    assert base.tokenizer_made is not None
    assert isinstance(base.model, Pretrained)
    tokenizer = load_tokenizer(tmp_path, base.model)
    auto = AutoModelForSequenceClassification if recipe.task.kind == "classification" else AutoModelForCausalLM
    model = auto.from_pretrained(tmp_path)
    assert model.config.model_type == config["model_type"]
    assert model.config.vocab_size >= rows_needed(tokenizer)
    for row in rows:
        (example,) = encode_row(row, recipe.task, tokenizer, 256)
        assert any(label != IGNORED for label in example.labels)
        assert max(example.input_ids) < model.config.vocab_size


def test_marks_of_a_chat_template_and_the_tokens_that_a_recipe_names_are_tokens_of_their_own(
    recipe_of: RecipeOf, tmp_path: Path
) -> None:
    recipe = load_recipe("llama3.1-8b/chat-lora", ["model.pad_token=<|reserved|>"])
    base = dry_base(recipe, planned_config(recipe.model), rows_of(recipe), tmp_path)
    vocabulary = load_tokenizer(tmp_path, base.model).get_vocab()
    assert {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|reserved|>"} <= set(vocabulary)


def test_a_recipe_that_leaves_the_chat_template_to_its_tokenizer_is_given_one(
    recipe_of: RecipeOf, tmp_path: Path
) -> None:
    llama = {"kind": "pretrained", "name_or_path": "meta-llama/Llama-3.1-8B-Instruct"}
    recipe = recipe_of(model=llama, task={"kind": "chat"})
    base = dry_base(recipe, planned_config(recipe.model), rows_of(recipe), tmp_path)
    (example,) = encode_row(rows_of(recipe)[0], recipe.task, load_tokenizer(tmp_path, base.model), 256)
    assert any(label != IGNORED for label in example.labels)


def test_a_small_base_of_this_machine_is_taken_as_it_is(recipe_of: RecipeOf, stories: Path, tmp_path: Path) -> None:
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)})
    base = dry_base(recipe, planned_config(recipe.model), rows_of(recipe), tmp_path)
    assert (base.model, base.whole, base.tokenizer_made) == (recipe.model, True, None)
    assert list(tmp_path.iterdir()) == []


def test_a_larger_one_lends_its_tokenizer(recipe_of: RecipeOf, stories: Path, tmp_path: Path) -> None:
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)})
    config = {**planned_config(recipe.model), "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
    base = dry_base(recipe, config, rows_of(recipe), tmp_path)
    assert (base.whole, base.tokenizer_made) == (False, None)
    assert load_tokenizer(tmp_path, base.model).get_vocab() == load_tokenizer(stories, recipe.model).get_vocab()
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert sum(parameter.numel() for parameter in model.parameters()) < 300_000


def test_a_tokenizer_that_the_embedding_cannot_hold_is_refused(
    recipe_of: RecipeOf, stories: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)})
    config = {**planned_config(recipe.model), "hidden_size": 4096, "num_hidden_layers": 32, "vocab_size": 100}
    with pytest.raises(InvalidInput, match="the tokenizer needs 512 rows but the embedding has 100"):
        dry_base(recipe, config, rows_of(recipe), tmp_path)


def test_a_large_model_from_scratch_becomes_a_small_one(recipe_of: RecipeOf, tmp_path: Path) -> None:
    wide = {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32}
    recipe = recipe_of(model={"kind": "scratch", "num_key_value_heads": 8, "vocab_size": 32_000, **wide})
    base = dry_base(recipe, planned_config(recipe.model), rows_of(recipe), tmp_path)
    assert isinstance(base.model, Scratch)
    assert (base.model.hidden_size, base.model.num_attention_heads, base.model.num_key_value_heads) == (32, 4, 1)
    assert (base.model.intermediate_size, base.model.num_hidden_layers, base.model.vocab_size) == (128, 2, 32_000)


def test_making_one_leaves_the_processs_random_numbers_as_they_were(tmp_path: Path) -> None:
    recipe = load_recipe("llama2-7b/sst2-lora")
    before = torch.random.get_rng_state()
    dry_base(recipe, planned_config(recipe.model), rows_of(recipe), tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)

"""Every recipe that comes with the launcher can be made small enough for a laptop, and stays what it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.dryrun.shrink import COMMIT_STEP, MAX_LENGTH, STEPS
from launcher.model.config import model_config
from launcher.plan.parameters import count_parameters
from launcher.plan.preview import planned_config
from launcher.recipe.load import load_recipe, resolved_yaml
from launcher.recipe.possible import combination, recipe_refusal
from launcher.recipe.recipe import Recipe
from launcher.recipe.shipped import shipped_recipes
from tests.dryrun.conftest import Small

SHIPPED = [each.reference for each in shipped_recipes()]
ADAPTED = [each for each in SHIPPED if load_recipe(each).method.kind != "full"]


@pytest.mark.parametrize("reference", SHIPPED)
def test_it_is_small_valid_possible_on_a_cpu_and_still_the_same_kind_of_run(
    reference: str, beside_shared: Path, made_small: Callable[[Recipe], Small]
) -> None:
    recipe = load_recipe(reference)
    small, _, few, _ = made_small(recipe)

    (beside_shared / "small.yaml").write_text(resolved_yaml(small))
    assert load_recipe(str(beside_shared / "small.yaml")) == small
    assert recipe_refusal(small, "cpu") is None
    assert combination(small, "cpu") == combination(recipe, "cpu")
    assert small.task == recipe.task

    training = small.training
    assert (training.max_steps, training.save_steps) == (STEPS, COMMIT_STEP)
    assert training.max_length <= MAX_LENGTH
    assert small.tracking.report_to == []
    assert few.train

    config, real = model_config(small.model), planned_config(recipe.model)
    assert config["model_type"] == real["model_type"]
    keys = config.get("num_key_value_heads") or config["num_attention_heads"]
    real_keys = real.get("num_key_value_heads") or real["num_attention_heads"]
    assert config["num_attention_heads"] * real_keys == real["num_attention_heads"] * keys
    count = count_parameters(config, small.method, small.task)
    assert count is not None
    assert count.total < 2_000_000


@pytest.mark.parametrize("reference", ADAPTED)
def test_it_keeps_its_adapters_targets_and_its_quantisation(
    reference: str, beside_shared: Path, made_small: Callable[[Recipe], Small]
) -> None:
    recipe = load_recipe(reference)
    small, *_ = made_small(recipe)
    kept = {"kind", "target_modules", "lora_dropout", "bias", "quantization", "modules_to_save", "use_dora"}
    assert small.method.model_dump(include=kept) == recipe.method.model_dump(include=kept)

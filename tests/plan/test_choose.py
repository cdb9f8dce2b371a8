"""What the plan settles where a recipe says `auto`."""

from typing import Any

import pytest

from launcher.cluster.profile import Local
from launcher.errors import InvalidInput
from launcher.plan.batch import plan_batches
from launcher.plan.choose import ENOUGH_TOKENS, choose
from launcher.plan.fit import nearest_fit
from launcher.plan.hardware import Hardware, elsewhere
from launcher.plan.outlook import Outlook, look_ahead
from launcher.plan.placement import Placement
from launcher.recipe.load import load_recipe
from launcher.recipe.possible import settled
from launcher.recipe.problem import RecipeError
from launcher.recipe.recipe import Recipe
from tests.plan.asked import LLAMA_7B, LLAMA_70B, asked, config_of

AUTO = {"kind": "auto"}
FULL, LORA, QLORA = ({"kind": kind} for kind in ("full", "lora", "qlora"))
OPEN: dict[str, Any] = {"per_device_train_batch_size": "auto", "global_batch_size": 64, "max_length": 2048}
SIZES = (1, 2, 4, 8)
"""Of a micro-batch, out of 8 rows a rank."""


def machines(number: int, name: str = "H100") -> Hardware:
    return elsewhere(number, name, Local(backend="local"))


def outlook(recipe: Recipe, hardware: Hardware) -> Outlook:
    batches = plan_batches(recipe.training, world=hardware.world, documents=None)
    found = look_ahead(recipe, config_of(recipe), batches, hardware)
    assert found is not None
    return found


def with_micro_batch(recipe: Recipe, rows: int) -> Recipe:
    return recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"per_device_train_batch_size": rows})}
    )


@pytest.mark.parametrize("method", [FULL, LORA, QLORA])
@pytest.mark.parametrize("model", [LLAMA_7B, LLAMA_70B])
@pytest.mark.parametrize("name", ["H100", "A100-40", "L4"])
def test_no_other_choice_that_fits_is_faster(model: str, method: dict[str, Any], name: str) -> None:
    recipe = asked(model, method, AUTO, gradient_checkpointing=True, **OPEN)
    hardware = machines(8, name)
    chosen = outlook(choose(recipe, config_of(recipe), hardware), hardware)
    others = [outlook(with_micro_batch(each, rows), hardware) for each in settled(recipe) for rows in SIZES]
    fitting = [each.speed.step_s for each in others if each.fits and each.speed is not None]
    assert chosen.fits == bool(fitting)
    if chosen.fits:
        assert chosen.speed is not None
        assert chosen.speed.step_s == min(fitting)
    else:
        assert chosen.memory.peak == min(each.memory.peak for each in others)


def test_the_plainest_of_equally_fast_ones_is_taken_with_micro_batches_of_enough_tokens() -> None:
    recipe = asked(LLAMA_7B, LORA, AUTO, gradient_checkpointing=True, **OPEN)
    chosen = choose(recipe, config_of(recipe), machines(8))
    assert chosen.strategy.kind == "ddp"
    assert chosen.training.micro_batch * chosen.training.max_length == ENOUGH_TOKENS


def test_a_step_holds_as_many_rows_whatever_is_chosen() -> None:
    recipe = asked(LLAMA_7B, FULL, AUTO, **OPEN)
    for number in (8, 16, 64, 100):
        chosen = choose(recipe, config_of(recipe), machines(number))
        batches = plan_batches(chosen.training, world=number, documents=None)
        assert batches.global_batch == 64


def test_a_named_strategy_stays_while_the_micro_batch_is_chosen_and_the_other_way_round() -> None:
    stage = {"kind": "deepspeed", "zero_stage": 2}
    named = asked(LLAMA_7B, FULL, stage, **OPEN)
    assert choose(named, config_of(named), machines(8)).strategy == named.strategy
    sized = asked(LLAMA_7B, FULL, AUTO, per_device_train_batch_size=2, global_batch_size=64)
    assert choose(sized, config_of(sized), machines(8)).training == sized.training
    closed = asked(LLAMA_7B, FULL, stage)
    assert choose(closed, config_of(closed), machines(8)) is closed


def test_what_a_method_refuses_is_not_chosen() -> None:
    """ZeRO 3 would be the first to fit, and cannot partition what DoRA reads whole."""
    dora = asked(LLAMA_70B, {**QLORA, "use_dora": True}, AUTO, gradient_checkpointing=True, **OPEN)
    assert not choose(dora, config_of(dora), machines(8, "A100-40")).strategy.key.startswith("zero3")


def test_the_nearest_fit_of_an_open_recipe_names_no_strategy() -> None:
    recipe = asked(LLAMA_70B, FULL, AUTO, **OPEN)
    fit = nearest_fit(recipe, config_of(recipe), machines(8))
    assert fit is not None
    assert not any(change.startswith("strategy") for change in fit.changes)


def test_what_is_not_known_is_told_instead_of_guessed() -> None:
    recipe = asked(LLAMA_7B, FULL, AUTO, **OPEN)
    unknown = Hardware(Placement(1, "cuda", 1), 1, None, None, None, 86_400.0)
    with pytest.raises(InvalidInput, match=r"auto asks how much memory a worker has: name the accelerator"):
        choose(recipe, config_of(recipe), unknown)
    with pytest.raises(InvalidInput, match=r"auto knows no memory of opt; name a value"):
        choose(recipe, {"model_type": "opt", "hidden_size": 8}, machines(8))


def test_a_chosen_micro_batch_asks_for_a_global_batch() -> None:
    load_recipe("llama2-7b/imdb-lora", ["strategy.kind=auto", "training.micro_batch=auto"])
    open_batch = ["training.micro_batch=auto", "training.global_batch_size=null"]
    with pytest.raises(RecipeError, match=r"rows a step would hang on the machine that trains; give training.global"):
        load_recipe("llama2-7b/imdb-lora", open_batch)

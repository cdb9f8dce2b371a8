"""The table of what is possible."""

from typing import get_args

import pytest

from launcher.recipe import table
from launcher.recipe.recipe import Recipe
from launcher.recipe.schema import alternatives, sections, tags
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.table import POSSIBLE, refusal


def kinds(annotation: object) -> set[str]:
    return {tag for model in sections(alternatives(annotation)) for tag in tags(model, "kind")}


def test_the_table_has_every_combination_that_a_recipe_can_name():
    fields = Recipe.model_fields
    stages = {f"zero{stage}" for stage in get_args(DeepSpeed.model_fields["zero_stage"].annotation)}
    assert set(table.METHODS) == kinds(fields["method"].annotation)
    assert set(table.TASKS) == kinds(fields["task"].annotation)
    assert set(table.STRATEGIES) == stages | (kinds(fields["strategy"].annotation) - {"deepspeed"})
    assert len(POSSIBLE) == 3 * 5 * 2 * 2


@pytest.mark.parametrize("device", table.DEVICES)
@pytest.mark.parametrize("task", table.TASKS)
@pytest.mark.parametrize("method", table.METHODS)
def test_ddp_zero_1_and_zero_2_are_possible_and_zero_0_and_zero_3_say_what_to_use(method, task, device):
    for strategy in ("ddp", "zero1", "zero2"):
        assert refusal(method, strategy, task, device) is None
    assert "use strategy.kind ddp" in str(refusal(method, "zero0", task, device))
    assert "use zero_stage 2" in str(refusal(method, "zero3", task, device))


def test_an_unknown_name_is_no_silent_yes():
    with pytest.raises(KeyError):
        refusal("lora", "zero4", "instruction", "cpu")

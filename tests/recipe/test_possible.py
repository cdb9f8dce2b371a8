"""The table of what is possible."""

from typing import Any, get_args

import pytest

from launcher.recipe import table
from launcher.recipe.method import QLora
from launcher.recipe.possible import combination_refusal, method_name
from launcher.recipe.quantization import Quantization
from launcher.recipe.recipe import Recipe
from launcher.recipe.schema import alternatives, sections, tags
from launcher.recipe.strategy import Ddp, DeepSpeed
from launcher.recipe.table import POSSIBLE, Key, refusal
from launcher.recipe.training import Training

GROUPED: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}


def kinds(annotation: object) -> set[str]:
    return {tag for model in sections(alternatives(annotation)) for tag in tags(model, "kind")}


def every_strategy() -> list[Ddp | DeepSpeed]:
    stages = get_args(DeepSpeed.model_fields["zero_stage"].annotation)
    return [
        Ddp(kind="ddp"),
        *(
            DeepSpeed(kind="deepspeed", zero_stage=stage, offload_optimizer=optimizer, offload_param=param)
            for stage in stages
            for optimizer in (False, True)
            for param in (False, True)
        ),
    ]


def test_the_table_has_every_combination_that_a_recipe_can_name():
    fields = Recipe.model_fields
    methods = kinds(fields["method"].annotation)
    types = alternatives(Quantization.model_fields["type"].annotation)[0]
    methods |= {method_name(QLora(kind="qlora", quantization=Quantization(type=one))) for one in get_args(types)}
    assert set(table.METHODS) == methods
    assert set(table.TASKS) == kinds(fields["task"].annotation)
    assert set(table.STRATEGIES) == {strategy.key for strategy in every_strategy()}
    assert set(table.MODES) == {Training(**each).mode for each in ({}, {"packing": True}, GROUPED)}
    assert set(table.PRECISIONS) == set(get_args(Training.model_fields["precision"].annotation))
    assert len(POSSIBLE) == 4 * 17 * 3 * 4 * 2 * 3


WHOLE = ("ddp", "zero0", "zero1", "zero2", "zero3")
OFFLOADED = ("zero1+optimizer", "zero2+optimizer", "zero3+optimizer", "zero3+param", "zero3+optimizer+param")


def test_all_is_possible_but_offloading_what_is_not_shared_partitioning_int8_and_packs_of_classes():
    for key in POSSIBLE:
        offload_of_nothing = key.strategy not in (*WHOLE, *OFFLOADED)
        partitioned_int8 = key.method == "qlora-int8" and key.strategy.startswith("zero3")
        packed_classes = (key.task, key.mode) == ("classification", "packed")
        assert (refusal(key) is None) == (not offload_of_nothing and not partitioned_int8 and not packed_classes), key


@pytest.mark.parametrize(
    ("method", "strategy", "mend"),
    [
        ("full", "zero0+optimizer", "use zero_stage 1, 2 or 3"),
        ("lora", "zero0+param", "use zero_stage 1, 2 or 3"),
        ("lora", "zero1+param", "use zero_stage 3, or offload_param: false"),
        ("qlora", "zero2+optimizer+param", "use zero_stage 3, or offload_param: false"),
        ("qlora-int8", "zero3", "use zero_stage 2, or nf4"),
        ("qlora-int8", "zero3+optimizer", "use zero_stage 2, or nf4"),
    ],
)
def test_what_is_refused_says_what_to_use(method, strategy, mend):
    for device in table.DEVICES:
        assert mend in str(refusal(Key(method, strategy, "bf16", "chat", device)))


def test_a_recipe_is_looked_up_by_what_it_says(recipe_of):
    strategy = {"kind": "deepspeed", "zero_stage": 3}
    int8 = recipe_of(method={"kind": "qlora", "quantization": {"type": "int8"}}, strategy=strategy)
    assert str(combination_refusal(int8, "cpu")).startswith("qlora-int8 + zero3 + fp32 + instruction is refused: ")
    assert combination_refusal(recipe_of(method={"kind": "qlora"}, strategy=strategy), "cpu") is None


def test_an_unknown_name_is_no_silent_yes():
    with pytest.raises(KeyError):
        refusal(Key("lora", "zero4", "fp32", "instruction", "cpu"))


def test_validate_refuses_every_such_cell_with_its_reason(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    refused = {key: reason for key, reason in POSSIBLE.items() if reason and key.mode == "padded"}
    cells = {(key.method, key.strategy, key.precision): reason for key, reason in refused.items()}
    assert len(cells) == (4 * 7 + 4) * 3
    strategies = {strategy.key: strategy for strategy in every_strategy()}
    for (method, strategy, precision), reason in cells.items():
        kind, _, bits = method.partition("-")
        overrides = (
            f"method={{kind: {kind}}}",
            *([f"method.quantization.type={bits}"] if bits else []),
            f"strategy={strategies[strategy].model_dump_json()}",
            f"training.precision={precision}",
        )
        lines = told("moods.yaml", *overrides)
        assert lines == [lines[0]]
        assert lines[0].endswith(f"{method} + {strategy} + {precision} + instruction is refused: {reason}")

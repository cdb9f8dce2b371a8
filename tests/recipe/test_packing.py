"""What is refused of packs and long documents, and what to do instead."""

from collections.abc import Callable

import pytest

from launcher.recipe import table
from launcher.recipe.encoder import ENCODERS
from launcher.recipe.load import load_recipe
from launcher.recipe.packing import PACKABLE, packing_refusal
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.recipe import Recipe

TASKS = {
    "instruction": {"kind": "instruction", "prompt": "{question}", "completion": "{answer}"},
    "classification": {"kind": "classification", "labels": ["good", "bad"]},
    "chat": {"kind": "chat"},
    "text": {"kind": "text"},
}
WRITING = [task for task in table.TASKS if task != "classification"]

RecipeOf = Callable[..., Recipe]


@pytest.mark.parametrize("task", WRITING)
def test_models_that_keep_documents_apart_learn_to_write_from_packs(task: str, recipe_of: RecipeOf) -> None:
    recipe = recipe_of(task=TASKS[task], training={"packing": True})
    assert {recipe_refusal(recipe, device) for device in table.DEVICES} == {None}
    assert {packing_refusal(model) for model in PACKABLE} == {None}


def test_a_classifier_reads_one_position_a_row(recipe_of: RecipeOf) -> None:
    packed, padded = (recipe_of(task=TASKS["classification"], training={"packing": each}) for each in (True, False))
    for device in table.DEVICES:
        reason = str(recipe_refusal(packed, device))
        assert reason.startswith("full + ddp + fp32 + classification + packed is refused: a classifier answers once")
        assert recipe_refusal(padded, device) is None


def test_an_encoder_reads_across_documents() -> None:
    for model in ENCODERS:
        assert str(packing_refusal(model)).startswith(f"{model} reads a text in both directions")


@pytest.mark.parametrize("model", ["opt", "falcon", "mamba", "made-up", None])
def test_a_model_that_is_not_proven_to_keep_documents_apart_is_refused(model: str | None) -> None:
    assert "llama" in str(packing_refusal(model))


@pytest.mark.parametrize("model", ["bert", "opt"])
def test_each_refusal_is_one_line_that_ends_with_its_mend(model: str) -> None:
    reason = str(packing_refusal(model))
    assert reason.endswith("; say training.packing: false")
    assert "\n" not in reason


def test_no_model_is_an_encoder_and_packable() -> None:
    assert not PACKABLE & ENCODERS


def test_validate_names_the_field_to_change(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    assert told(
        "moods.yaml", "task.kind=classification", "task.labels=[good, bad]", "training.sample_packing=true"
    ) == [
        "override 'training.sample_packing=true': training.packing: lora + zero2 + fp32 + classification + packed is "
        "refused: a classifier answers once a row, and a pack is a row of many documents; say training.packing: false"
    ]


def test_packs_and_grouping_by_length_contradict_each_other(recipe_text, write, told):
    write("moods.yaml", recipe_text + "  packing: true\n")
    (line,) = told("moods.yaml", "training.group_by_length=true")
    assert line == "moods.yaml:24:3: training.packing: packing needs train_sampling_strategy: random"


def test_neat_packs_are_the_only_ones_so_what_says_less_may_stand_beside(recipe_text, write, told):
    write("moods.yaml", recipe_text + "  packing: true\n")
    assert load_recipe("moods.yaml", ["training.neat_packing=false"]).training.packing
    write("moods.yaml", recipe_text + "  packing: false\n  neat_packing: true\n")
    assert told("moods.yaml") == [
        "moods.yaml:25:3: training.neat_packing: this is another name of training.packing: keep one; training.packing "
        "is given at moods.yaml:24:3"
    ]


@pytest.mark.parametrize("task", table.TASKS)
def test_long_documents_are_split_where_each_piece_is_learnt_from(task: str, recipe_of: RecipeOf) -> None:
    assert recipe_of(task=TASKS[task]).long_documents == ("split" if task == "text" else "truncate")
    assert recipe_of(task=TASKS[task], training={"long_documents": "truncate"}).long_documents == "truncate"


def test_only_texts_are_split(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    assert told("moods.yaml", "training.long_documents=split") == [
        "override 'training.long_documents=split': training.long_documents: a piece of a row of task instruction has "
        "lost its question or its answer; say truncate, or raise max_length"
    ]
    text = recipe_text.partition("task:")[0] + "task: {kind: text}\ndata:" + recipe_text.partition("data:")[2]
    write("texts.yaml", text.replace("  labels: {up: good, down: bad}\n", ""))
    for override, meant in (
        ("long_documents=split", "split"),
        ("packing_strategy=bfd_split", "split"),
        ("packing_strategy=bfd", "truncate"),
    ):
        assert load_recipe("texts.yaml", [f"training.{override}"]).long_documents == meant
    assert told("texts.yaml", "training.packing_strategy=wrapped") == [
        "override 'training.packing_strategy=wrapped': training.packing_strategy: expected bfd or bfd_split, found "
        "'wrapped'"
    ]

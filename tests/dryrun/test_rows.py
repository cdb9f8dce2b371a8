"""The few rows of a dry run: real ones where they can be had, and it is told where they cannot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launcher.data.dataset import load_dataset
from launcher.data.messages import read_messages
from launcher.dryrun.generated import generated_rows
from launcher.dryrun.rows import FewRows, few_rows
from launcher.dryrun.sample import LONGEST
from launcher.errors import InvalidInput
from launcher.recipe.data import Data, Mixture
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat, Instruction, SequenceClassification, Task, Text

RecipeOf = Callable[..., Recipe]
CLASSES = {"kind": "classification", "labels": ["good", "bad"]}
NOBODY = "http://127.0.0.1:9/rows.jsonl"
"""No server listens there."""


def lines(path: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return {"kind": "jsonl", "url": str(path)}


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"text": f"row {number}", **more} for number in range(count)]


@pytest.fixture
def few(tmp_path: Path, recipe_of: RecipeOf) -> Callable[..., tuple[Recipe, FewRows]]:
    """The recipe with few rows, and what is known of them."""
    (tmp_path / "made").mkdir()

    def make(**sections: Any) -> tuple[Recipe, FewRows]:
        recipe = recipe_of(**sections)
        data, found = few_rows(recipe, tmp_path / "made")
        return recipe.model_copy(update={"data": data}), found

    return make


Few = Callable[..., tuple[Recipe, FewRows]]


def test_real_rows_go_through_the_recipes_names_for_columns_and_labels(few: Few, tmp_path: Path) -> None:
    rows = [{"body": f"row {number}", "mood": str(number % 2)} for number in range(100)]
    source = lines(tmp_path / "rows.jsonl", rows)
    names = {"fields": {"text": "body", "label": "mood"}, "labels": {"0": "good", "1": "bad"}}
    recipe, found = few(task=CLASSES, data={"train": source, "split": {"test_per_class": 20}, **names})
    assert (list(found.seen), found.generated) == (["data.train"], {})
    dataset = load_dataset(recipe)
    assert {row.text for row in [*dataset.train, *dataset.test]} <= {f"row {number}" for number in range(100)}
    for part in (dataset.train, dataset.test):
        assert {row.label for row in part} == {"good", "bad"}
    assert len(dataset.test) == 6


def test_a_column_that_is_not_there_is_an_error_and_no_reason_to_generate(few: Few, tmp_path: Path) -> None:
    source = lines(tmp_path / "rows.jsonl", numbered(3, label="good"))
    with pytest.raises(InvalidInput, match=r"no column 'body' among text, label; name it under data\.fields"):
        few(task=CLASSES, data={"train": source, "split": {"test_per_class": 1}, "fields": {"text": "body"}})


def test_a_file_of_this_machine_that_is_not_there_is_one_too(few: Few, tmp_path: Path) -> None:
    source = {"kind": "jsonl", "url": str(tmp_path / "no.jsonl")}
    with pytest.raises(InvalidInput, match=r"no\.jsonl: no such file"):
        few(task=CLASSES, data={"train": source, "split": {"test_per_class": 1}})


def test_rows_behind_a_network_that_does_not_answer_are_generated_and_that_is_told(few: Few, tmp_path: Path) -> None:
    test = lines(tmp_path / "test.jsonl", [*numbered(9, label="good"), *numbered(9, label="bad")])
    recipe, found = few(task=CLASSES, data={"train": {"kind": "jsonl", "url": NOBODY}, "test": test})
    assert list(found.seen) == ["data.test"]
    assert NOBODY in found.generated["data.train"]
    dataset = load_dataset(recipe)
    assert {row.label for row in dataset.train} == {"good", "bad"}


def test_labels_that_do_not_come_soon_are_generated_and_named(few: Few, tmp_path: Path) -> None:
    source = lines(tmp_path / "sorted.jsonl", numbered(3000, label="good"))
    recipe, found = few(task=CLASSES, data={"train": source, "split": {"test_per_class": 5}})
    assert list(found.seen) == ["data.train"]
    assert found.generated == {"data.train": "too few of bad among its first 1,000 rows"}
    assert {row.label for row in load_dataset(recipe).train} == {"good", "bad"}


def test_long_texts_keep_their_beginning_and_their_end(few: Few, tmp_path: Path) -> None:
    rows = [{"text": f"begin {number} {'x' * 5000} end {number}"} for number in range(80)]
    recipe, _ = few(
        task={"kind": "text"}, data={"train": lines(tmp_path / "rows.jsonl", rows), "split": {"test_per_class": 3}}
    )
    for row in load_dataset(recipe).train:
        assert len(row.text) <= LONGEST + 1
        assert row.text.startswith("begin ")
        assert " end " in row.text


def test_conversations_keep_the_system_message_and_their_first_turns(few: Few, tmp_path: Path) -> None:
    turns = [
        {"from": "system", "value": "Be brief."},
        *[{"from": "human", "value": "y" * 999}, {"from": "gpt", "value": "z"}] * 5,
    ]
    rows = [{"messages": [{**turns[0], "value": f"Be brief, {number}."}, *turns[1:]]} for number in range(80)]
    recipe, _ = few(
        task={"kind": "chat"}, data={"train": lines(tmp_path / "rows.jsonl", rows), "split": {"test_per_class": 3}}
    )
    for row in load_dataset(recipe).train:
        messages = read_messages(row.fields["messages"], "here")
        assert [each["role"] for each in messages] == ["system", "user", "assistant"]
        assert len(messages[1]["content"]) <= LONGEST + 1


def test_a_mixture_stays_one_with_its_weights(few: Few, tmp_path: Path) -> None:
    sources = {
        "near": {"source": lines(tmp_path / "near.jsonl", numbered(50)), "weight": 3.0},
        "far": {"source": {"kind": "jsonl", "url": NOBODY}, "weight": 1.0},
    }
    test = lines(tmp_path / "test.jsonl", [{"text": f"other {number}"} for number in range(9)])
    recipe, found = few(task={"kind": "text"}, data={"train": {"kind": "mixture", "sources": sources}, "test": test})
    assert isinstance(recipe.data.train, Mixture)
    assert {name: one.weight for name, one in recipe.data.train.sources.items()} == {"near": 3.0, "far": 1.0}
    assert sorted(found.seen) == ["data.test", "data.train.sources.near"]
    assert list(found.generated) == ["data.train.sources.far"]
    assert len(load_dataset(recipe).sources) == 2


def test_no_row_is_lost_as_a_repeat_where_both_sources_are_generated(few: Few) -> None:
    gone = {"kind": "jsonl", "url": NOBODY}
    recipe, _ = few(task=CLASSES, data={"train": gone, "test": gone, "validation": gone})
    assert isinstance(recipe.data, Data)
    dataset = load_dataset(recipe)
    assert dataset.dropped == 0
    assert len(dataset.test) == len(dataset.validation) == 6


TASKS: list[Task] = [
    Instruction(kind="instruction", prompt="{a} and {b}", completion="{c}"),
    Instruction(kind="instruction", prompt="{a}", completion=" {label}", label_words={"one": "1", "two": "2"}),
    SequenceClassification(kind="classification", labels=["one", "two", "three"]),
    Chat(kind="chat"),
    Text(kind="text", text="{title}: {body}"),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_generated_rows_can_be_read_as_rows_of_their_task(task: Task, few: Few) -> None:
    rows = generated_rows(task, "here")
    texts = [next(rows).text for _ in range(50)]
    assert len(set(texts)) == 50
    recipe, _ = few(
        task=task.model_dump(), data={"train": {"kind": "jsonl", "url": NOBODY}, "split": {"test_per_class": 1}}
    )
    assert len(load_dataset(recipe).train) >= 30

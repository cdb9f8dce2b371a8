import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from launcher.data.dataset import Dataset, input_fields, label_names, load_dataset
from launcher.data.split import Row
from launcher.errors import InvalidInput
from launcher.recipe.load import load_recipe
from launcher.recipe.recipe import Recipe

Load = Callable[..., Dataset]

ROWS = [("up", "good"), ("down", "bad"), ("up again", "good"), ("down again", "bad")]
CLASSIFICATION = {"kind": "classification", "labels": ["good", "bad"]}
FREE_TEXT = {"kind": "instruction", "prompt": "{question}", "completion": "{answer}"}


@pytest.fixture
def load(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> Load:
    """Loads rows of text and label, or lines of JSON, as a recipe with these sections would."""

    def build(
        rows: list[tuple[str, str]] | list[dict[str, Any]], task: Mapping[str, Any] = CLASSIFICATION, **data: Any
    ) -> Dataset:
        lines = [each if isinstance(each, dict) else dict(zip(("text", "label"), each, strict=True)) for each in rows]
        sources = {name: {"kind": "jsonl", "url": str(tmp_path / f"{name}.jsonl")} for name in ("train", "test")}
        (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
        (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(other_text(line)) for line in lines))
        return load_dataset(recipe_of(task=task, data={**sources, **data}))

    return build


def other_text(line: dict[str, Any]) -> dict[str, Any]:
    """The same line with other words in every column but the label's."""
    return {
        name: f"not {value}" if isinstance(value, str) and value.strip() and name not in ("label", "mood") else value
        for name, value in line.items()
    }


def refused(load: Load, *arguments: Any, **data: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(*arguments, **data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_keep_what_the_task_reads_under_its_own_names(load: Load) -> None:
    rows = [{"id": 1, "headline": "up", "mood": "+"}, {"id": 2, "headline": "down", "mood": "-"}]
    dataset = load(rows, fields={"text": "headline", "label": "mood"}, labels={"+": "good", "-": "bad"})
    test = [Row({"text": "not up"}, "good"), Row({"text": "not down"}, "bad")]
    assert dataset == Dataset([Row({"text": "up"}, "good"), Row({"text": "down"}, "bad")], test, dropped=0)


def test_free_text_reads_prompt_and_completion_and_has_no_label(load: Load) -> None:
    rows = [{"question": "why?", "answer": "because", "label": "unused"}]
    assert load(rows, FREE_TEXT).train == [Row({"question": "why?", "answer": "because"}, None)]


def test_a_task_knows_its_labels_and_its_inputs(recipe_of: Callable[..., Recipe]) -> None:
    words = {"kind": "instruction", "prompt": "{a} {b} {a}", "label_words": {"x": "one", "y": "two"}}
    task = recipe_of(task=words).task
    assert (label_names(task), input_fields(task)) == (["x", "y"], ["a", "b"])
    assert label_names(recipe_of(task=CLASSIFICATION).task) == ["good", "bad"]
    assert label_names(recipe_of(task=FREE_TEXT).task) is None


def test_what_deduplication_drops_is_counted(load: Load) -> None:
    rows = [*ROWS, ("up", "good"), ("torn", "good"), ("torn", "bad")]
    assert load(rows).dropped == 2 * 3
    assert load(rows, deduplicate=False).dropped == 0
    assert len(load(rows, deduplicate=False).train) == len(rows)


def test_rows_are_deduplicated_before_they_are_split(load: Load) -> None:
    asked = {"test": None, "split": {"train_per_class": 1, "test_per_class": 1}}
    dataset = load(ROWS * 5, **asked)
    assert not {row.text for row in dataset.train} & {row.text for row in dataset.test}
    asked["split"] = {"train_per_class": 2, "test_per_class": 1}
    assert refused(load, ROWS * 5, **asked).startswith("data.split: class 'bad' has 2 rows to draw from")


def test_a_class_that_no_row_has_is_missed_by_the_split(load: Load) -> None:
    asked = {"test": None, "split": {"train_per_class": 1, "test_per_class": 1}}
    three = {**CLASSIFICATION, "labels": ["good", "bad", "torn"]}
    assert refused(load, ROWS, three, **asked).startswith("data.split: class 'torn' has 0 rows")


def test_a_label_that_is_not_in_the_map_is_named_with_its_row(load: Load) -> None:
    assert refused(load, [*ROWS, ("so so", "Good ")]) == (
        "data.train: row 5: label 'Good ' is not among good, bad; map it under data.labels"
    )


def test_a_column_that_is_not_there_is_named(load: Load) -> None:
    assert refused(load, ROWS, fields={"text": "headline"}) == (
        "data.train: row 1: no column 'headline' among text, label; name it under data.fields, "
        "or give columns: for a file without a header line"
    )
    assert refused(load, ROWS, fields={"label": "mood"}).startswith("data.train: row 1: no column 'mood'")


def test_a_field_that_one_line_lacks_is_named_with_its_row(load: Load) -> None:
    rows = [{"text": "up", "label": "good"}, {"label": "bad"}]
    assert refused(load, rows).startswith("data.train: row 2: no column 'text' among label;")


@pytest.mark.parametrize("blank", ["", " \t\n", None])
def test_a_row_with_nothing_to_read_is_refused(load: Load, blank: str | None) -> None:
    rows = [{"text": "up", "label": "good"}, {"text": blank, "label": "bad"}]
    assert refused(load, rows) == "data.train: row 2: nothing to read in 'text'; remove the row, or fill it in"


def test_one_of_several_inputs_may_be_empty(load: Load) -> None:
    task = {"kind": "instruction", "prompt": "{instruction} {input}", "completion": "{output}"}
    row = {"instruction": "add", "input": "", "output": "sum"}
    assert len(load([row], task).train) == 1
    assert "nothing to read in 'instruction', 'input'" in refused(load, [{**row, "instruction": " "}], task)


def test_rows_that_all_contradict_each_other_leave_nothing(load: Load) -> None:
    assert refused(load, [("up", "good"), ("up", "bad")]) == (
        "data.train: de-duplication leaves no row; say data.deduplicate: false"
    )


def test_a_training_row_that_stands_in_the_test_rows_is_left_out(load: Load) -> None:
    dataset = load([("up", "good"), ("not up", "good"), ("down", "bad")])
    assert [row.text for row in dataset.train] == ["up", "down"]
    assert [row.text for row in dataset.test] == ["not up", "not not up", "not down"]
    assert dataset.dropped == 1


def test_financial_phrasebank_gives_the_split_of_its_recipe(shared: Path) -> None:
    url = shared / "data/financial-phrasebank/all-data.csv"
    recipe = load_recipe("stories260k/financial-phrasebank-qlora", [f"data.train.url={url}"])
    dataset = load_dataset(recipe)
    for rows in (dataset.train, dataset.test):
        assert Counter(row.label for row in rows) == dict.fromkeys(("negative", "neutral", "positive"), 300)
    assert not {row.text for row in dataset.train} & {row.text for row in dataset.test}
    assert dataset.dropped == 10  # six repeated rows, and two texts with two labels each
    assert load_dataset(recipe) == dataset


def test_sst2_keeps_its_own_test_rows(shared: Path) -> None:
    folder = shared / "data/sst2"
    urls = [f"data.train.url={folder}/train.tsv", f"data.test.url={folder}/test.tsv"]
    dataset = load_dataset(load_recipe("stories260k/sst2-classification-lora", [*urls, "data.deduplicate=false"]))
    assert (len(dataset.train), len(dataset.test)) == (6920, 1821)
    assert {row.label for row in dataset.test} == {"negative", "positive"}

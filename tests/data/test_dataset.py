import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from launcher.data.dataset import Dataset, TrainSource, load_dataset
from launcher.data.fields import input_fields, label_names
from launcher.data.rows import Row, Rows
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

    def as_lines(rows: list[tuple[str, str]] | list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [each if isinstance(each, dict) else dict(zip(("text", "label"), each, strict=True)) for each in rows]

    def build(
        rows: list[tuple[str, str]] | list[dict[str, Any]],
        task: Mapping[str, Any] = CLASSIFICATION,
        validation: list[tuple[str, str]] | None = None,
        **data: Any,
    ) -> Dataset:
        lines = as_lines(rows)
        sources = {name: {"kind": "jsonl", "url": str(tmp_path / f"{name}.jsonl")} for name in ("train", "test")}
        (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
        (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(other_text(line)) for line in lines))
        if validation is not None:
            url = tmp_path / "validation.jsonl"
            url.write_text("\n".join(map(json.dumps, as_lines(validation))))
            sources["validation"] = {"kind": "jsonl", "url": str(url)}
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
    train = Rows.of([Row({"text": "up"}, "good"), Row({"text": "down"}, "bad")])
    assert dataset == Dataset(train, test, dropped=0, sources=(TrainSource("data.train", 1.0, train),))


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


def test_there_are_no_validation_rows_unless_asked_for(load: Load) -> None:
    assert load(ROWS).validation == []


def test_validation_rows_come_from_a_source_of_their_own(load: Load) -> None:
    dataset = load(ROWS, validation=[("sideways", "good")])
    assert dataset.validation == [Row({"text": "sideways"}, "good")]
    assert len(dataset.train) == len(dataset.test) == len(ROWS)


def test_validation_rows_are_cut_from_the_training_rows(load: Load) -> None:
    split = {"test_per_class": 0, "validation_per_class": 1}
    dataset = load(ROWS, split=split)
    assert Counter(row.label for row in dataset.validation) == {"good": 1, "bad": 1}
    assert {row.text for row in (*dataset.train, *dataset.validation)} == {text for text, _ in ROWS}
    assert [row.text for row in dataset.test] == [f"not {text}" for text, _ in ROWS]


def test_no_text_is_in_two_parts(load: Load) -> None:
    validation = [("up", "good"), ("not down", "bad"), ("sideways", "good"), ("sideways", "good")]
    dataset = load([*ROWS, ("not up", "good")], validation=validation)
    assert [row.text for row in dataset.validation] == ["up", "sideways"]
    parts = [{row.text for row in part} for part in (dataset.train, dataset.validation, dataset.test)]
    assert len(set.union(*parts)) == sum(map(len, parts))


def test_validation_rows_that_are_all_test_rows_leave_nothing(load: Load) -> None:
    assert refused(load, ROWS, validation=[("not up", "good")]) == (
        "data.validation: de-duplication leaves no row; say data.deduplicate: false"
    )


def test_rows_to_validate_on_are_checked_like_others(load: Load) -> None:
    assert refused(load, ROWS, validation=[("sideways", "fine")]).startswith("data.validation: row 1: label 'fine'")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"split": {"validation_per_class": 1}}, None),
        ({"test": None, "split": {"validation_per_class": 1}}, "give either test "),
        ({"split": {"test_per_class": 1}}, "give either test "),
        ({"test": None}, "give either test "),
        ({"validation": "rows", "split": {"validation_per_class": 1}}, "give either validation "),
        ({"validation": "rows", "split": {"train_per_class": 1}}, None),
    ],
)
def test_rows_of_a_part_come_from_one_place(
    recipe_of: Callable[..., Recipe], data: dict[str, Any], told: str | None
) -> None:
    source = {"kind": "jsonl", "url": "rows.jsonl"}
    given = {"train": source, "test": source, **data}
    if "validation" in data:
        given["validation"] = source
    if told is None:
        recipe_of(data=given)
        return
    with pytest.raises(ValidationError, match=told):
        recipe_of(data=given)


@pytest.mark.parametrize(("value", "shown"), [(3, "the number 3"), (0.5, "the number 0.5"), (True, "true")])
def test_a_text_column_of_numbers_is_refused(load: Load, value: float, shown: str) -> None:
    rows = [{"text": value, "label": "good"}, {"text": value, "label": "bad"}]
    assert refused(load, rows) == (
        f"data.train: row 1: column 'text' holds {shown} where text is expected; "
        "name the column of text under data.fields, or say data.numbers_as_text: true"
    )
    dataset = load(rows[:1], numbers_as_text=True, deduplicate=False)
    assert dataset.train == [Row({"text": json.dumps(value)}, "good")]


def test_a_completion_of_numbers_is_refused(load: Load) -> None:
    message = refused(load, [{"question": "two and two?", "answer": 4}], FREE_TEXT)
    assert message.startswith("data.train: row 1: column 'answer' holds the number 4 where text is expected")


def test_digits_in_a_csv_are_text(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    (tmp_path / "rows.csv").write_text("text,label\n3,good\n4,bad\n")
    source = {"kind": "csv", "url": str(tmp_path / "rows.csv")}
    data = {"train": source, "test": source, "deduplicate": False}
    assert load_dataset(recipe_of(task=CLASSIFICATION, data=data)).train[0] == Row({"text": "3"}, "good")


def test_a_label_may_be_a_number_or_a_truth(load: Load) -> None:
    rows = [{"text": "up", "label": 1}, {"text": "down", "label": False}]
    assert [row.label for row in load(rows, labels={"1": "good", "false": "bad"}).train] == ["good", "bad"]


def test_columns_that_the_task_does_not_read_may_hold_anything(load: Load) -> None:
    assert load([{"text": "up", "label": "good", "score": 0.5, "id": 7}]).train == [Row({"text": "up"}, "good")]


def test_lists_and_objects_are_read_as_json_writes_them(load: Load) -> None:
    turns = [{"role": "user", "content": "\u00e9t\u00e9?"}]
    (row,) = load([{"question": "?", "answer": turns}], FREE_TEXT, deduplicate=False).train
    assert json.loads(row.fields["answer"]) == turns
    assert "\u00e9" in row.fields["answer"]


def test_half_a_character_is_refused(load: Load) -> None:
    assert refused(load, [{"text": "up \ud83d", "label": "good"}]) == (
        "data.train: row 1: column 'text' holds \\ud83d, half a character that UTF-8 cannot write; mend or remove it"
    )


def test_a_value_that_is_neither_text_nor_json_is_refused(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    url = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": [b"bytes"], "label": ["good"]}), url)
    source = {"kind": "parquet", "url": str(url)}
    with pytest.raises(InvalidInput) as caught:
        load_dataset(recipe_of(task=CLASSIFICATION, data={"train": source, "test": source}))
    assert str(caught.value) == (
        "data.train: row 1: column 'text' holds bytes values, which are no text; write them as text in the source"
    )


Mix = Callable[..., Dataset]


@pytest.fixture
def mix(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> Mix:
    """Loads a mixture of named sources, each of texts that are good unless they say otherwise; or URLs, prepared."""

    def source(name: str, texts: list[str] | str, **more: Any) -> dict[str, Any]:
        if isinstance(texts, str):
            return {"weight": 1, "source": {"kind": "prepared", "url": texts}}
        url = tmp_path / f"{name}.jsonl"
        rows = [{"text": text, "label": "bad" if "bad" in text else "good"} for text in texts]
        url.write_text("\n".join(map(json.dumps, rows)))
        return {"weight": len(texts), "source": {"kind": "jsonl", "url": str(url)}, **more}

    def build(test: list[str], names: Mapping[str, Any] = MappingProxyType({}), **texts: list[str] | str) -> Dataset:
        sources = {name: source(name, rows, **names.get(name, {})) for name, rows in texts.items()}
        data = {"train": {"kind": "mixture", "sources": sources}, "test": source("test", test)["source"]}
        return load_dataset(recipe_of(task=CLASSIFICATION, data=data))

    return build


def texts_of(rows: Sequence[Row] | None) -> list[str]:
    assert rows is not None
    return [row.text for row in rows]


def test_a_mixture_has_the_rows_of_each_source_by_name(mix: Mix) -> None:
    dataset = mix(["c"], web=["w", "v"], books=["b"])
    assert [(one.path, one.weight) for one in dataset.sources] == [
        ("data.train.sources.books", 1.0),
        ("data.train.sources.web", 2.0),
    ]
    assert [texts_of(one.rows) for one in dataset.sources] == [["b"], ["w", "v"]]
    assert texts_of(dataset.train) == ["b", "w", "v"]


def test_each_source_of_a_mixture_is_deduplicated_by_itself_and_against_the_test_rows(mix: Mix) -> None:
    dataset = mix(["t"], web=["a", "a", "t", "b"], books=["b", "t"])
    assert [texts_of(one.rows) for one in dataset.sources] == [["b"], ["a", "b"]]
    assert dataset.dropped == 3


def test_a_source_of_a_mixture_that_is_left_without_rows_is_named(mix: Mix) -> None:
    with pytest.raises(InvalidInput, match=r"^data\.train\.sources\.web: de-duplication leaves no row;"):
        mix(["t"], web=["t"], books=["b"])


def test_a_source_of_a_mixture_may_name_columns_and_labels_its_own_way(mix: Mix) -> None:
    swapped = {"web": {"fields": {"text": "label", "label": "text"}, "labels": {"w": "bad"}}}
    dataset = mix(["t"], swapped, web=["w"], books=["b"])
    assert list(dataset.train) == [Row({"text": "b"}, "good"), Row({"text": "good"}, "bad")]
    with pytest.raises(InvalidInput) as caught:
        mix(["t"], swapped, web=["w", "x"], books=["b"])
    assert str(caught.value) == (
        "data.train.sources.web: row 2: label 'x' is not among good, bad; map it under data.train.sources.web.labels"
    )


def test_prepared_data_are_named_and_their_rows_are_not_read(mix: Mix, recipe_of: Callable[..., Recipe]) -> None:
    dataset = mix(["t"], web=["w"], books="s3://bucket/books")
    assert dataset.sources[0] == TrainSource("data.train.sources.books", 1.0, prepared="s3://bucket/books")
    assert texts_of(dataset.train) == ["w"]
    test = {"kind": "headlines", "rows_per_class": 1, "templates": "seen", "seed": 1}
    alone = load_dataset(recipe_of(data={"train": {"kind": "prepared", "url": "data/moods"}, "test": test}))
    assert alone.sources == (TrainSource("data.train", 1.0, prepared="data/moods"),)
    assert (len(alone.train), len(alone.test)) == (0, 3)


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

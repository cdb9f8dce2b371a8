"""Rows that a plan does not read."""

from collections.abc import Callable
from typing import Any

import pytest

from launcher.plan.counts import RowCounts, count_unread
from launcher.plan.published import PUBLISHED, published_rows
from launcher.recipe.data import HuggingFace
from launcher.recipe.recipe import Recipe

RecipeOf = Callable[..., Recipe]
TEXT = {"kind": "text"}
IMDB = {"kind": "huggingface", "dataset": "stanfordnlp/imdb"}
CSV = {"kind": "csv", "url": "rows.csv"}


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("train_sft", 207_865),
        ("test_sft[:2000]", 2000),
        ("test_sft[2000:]", 21_110),
        ("test_sft[-100:]", 100),
        ("train_gen[10%:20%]", 25_603),
        ("test_gen[:100%]", 28_304),
        ("train", None),
        ("train_sft+test_sft", None),
    ],
)
def test_slices_of_published_splits_are_counted_as_the_library_cuts_them(split: str, rows: int | None) -> None:
    source = HuggingFace(kind="huggingface", dataset="HuggingFaceH4/ultrachat_200k", split=split)
    assert published_rows(source) == rows


@pytest.mark.parametrize("split", ["train_sft[10%:20%]", "train_sft[:33%]", "train_sft[-7%:]", "train_sft[5:-5]"])
def test_the_library_itself_counts_alike(split: str) -> None:
    from datasets.arrow_reader import FileInstructions, make_file_instructions
    from datasets.splits import SplitInfo

    sets = "HuggingFaceH4/ultrachat_200k"
    infos = [SplitInfo(name, num_examples=rows) for name, rows in PUBLISHED[sets].items()]
    told: FileInstructions = make_file_instructions("x", infos, split, "parquet", "")  # type: ignore[arg-type]
    source = HuggingFace(kind="huggingface", dataset=sets, split=split)
    assert published_rows(source) == told.num_examples


def test_rows_on_this_machine_are_left_to_be_read(recipe_of: RecipeOf) -> None:
    assert count_unread(recipe_of()) is None
    assert count_unread(recipe_of(data={"train": {**CSV, "url": "file:///rows.csv"}, "test": CSV})) is None


def test_published_rows_are_split_as_the_recipe_says(recipe_of: RecipeOf) -> None:
    train = {**IMDB, "split": "train"}
    both = recipe_of(task=TEXT, data={"train": train, "test": {**IMDB, "split": "test"}})
    assert count_unread(both) == RowCounts(25_000, 25_000, 0, known="published")
    cut = recipe_of(task=TEXT, data={"train": train, "split": {"test_per_class": 500, "validation_per_class": 100}})
    assert count_unread(cut) == RowCounts(24_400, 500, 100, known="published")
    classes = {"train_per_class": 300, "test_per_class": 200}
    drawn = recipe_of(data={"train": train, "split": classes})
    assert count_unread(drawn) == RowCounts(900, 600, 0, known="published")


@pytest.mark.parametrize(
    "train",
    [
        {"kind": "jsonl", "url": "s3://bucket/rows-*.jsonl"},
        {"kind": "huggingface", "dataset": "someone/something", "split": "train"},
        {
            "kind": "mixture",
            "sources": {
                "here": {"source": CSV, "weight": 1},
                "there": {"source": {**IMDB, "split": "test"}, "weight": 1},
            },
        },
    ],
)
def test_rows_that_nobody_counted_are_not_guessed(train: dict[str, Any], recipe_of: RecipeOf) -> None:
    recipe = recipe_of(task=TEXT, data={"train": train, "test": CSV}, training={"max_steps": 9})
    assert count_unread(recipe) == RowCounts(None, None, None, known="unknown")
    assert count_unread(recipe, 7) == RowCounts(7, None, None, known="given")

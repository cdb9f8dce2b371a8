import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.dataset import Dataset
from launcher.data.encode import IGNORED, Example, Question
from launcher.data.rows import Row
from launcher.evaluate.outcome import (
    best_label,
    classical_line,
    classify,
    completion_metrics,
    probabilities,
    store_metrics,
    store_predictions,
)
from launcher.evaluate.table import BASE, TUNED
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import METRICS, PREDICTIONS
from launcher.storage.store import Store

LOGS = st.lists(st.floats(-2000, 0), min_size=1, max_size=5)
LABELS = ["negative", "neutral", "positive"]
TEST = [Row({"text": "fell, badly"}, "negative"), Row({"text": "rose\nagain"}, "positive")]
DATASET = Dataset(
    train=[
        Row({"text": f"{word} {number}"}, label)
        for word, label in zip(("fell", "same", "rose"), LABELS, strict=True)
        for number in range(9)
    ],
    test=TEST,
    dropped=0,
)
WRONG, RIGHT = [[-9.0, -1.0, -5.0]] * 2, [[-1.0, -2.0, -3.0], [-3.0, -2.0, -1.0]]


@given(LOGS)
def test_probabilities_sum_to_one_and_keep_the_order(scores: list[float]) -> None:
    chances = probabilities(scores)
    assert sum(chances) == pytest.approx(1)
    assert all(0 <= chance <= 1 for chance in chances)
    assert chances[scores.index(max(scores))] == max(chances)


@given(LOGS, st.floats(-100, 100))
def test_only_differences_of_log_likelihoods_count(scores: list[float], shift: float) -> None:
    assert probabilities([each + shift for each in scores]) == pytest.approx(probabilities(scores), abs=1e-9)


def test_probabilities_are_likelihoods_over_their_sum() -> None:
    assert probabilities([math.log(0.1), math.log(0.3)]) == pytest.approx([0.25, 0.75])
    assert probabilities([-1000.0]) == [1.0]


def test_the_highest_score_names_the_label_and_of_equal_ones_the_first() -> None:
    assert best_label([-3.0, -1.0, -2.0], LABELS) == "neutral"
    assert best_label([-2.0, -1.0, -1.0], LABELS) == "neutral"


def test_all_models_are_measured_on_the_same_rows(recipe_of: Callable[..., Recipe]) -> None:
    results = classify(recipe_of(), DATASET, WRONG, RIGHT)
    assert list(results) == [BASE, TUNED]
    assert (results[BASE].accuracy, results[TUNED].accuracy) == (0, 1)
    assert classical_line(recipe_of(), DATASET).accuracy == 1


def test_free_completions_are_measured_a_token() -> None:
    questions = [Question([1, 2], [[5, 2]]), Question([1], [[5, 6, 7, 2]])]
    metrics = completion_metrics(questions, [[-3.0], [-9.0]])
    assert metrics.loss == pytest.approx(12 / 6)
    assert metrics.perplexity == pytest.approx(math.exp(2))


def test_texts_are_measured_a_label() -> None:
    texts = [Example([1, 5, 6], [IGNORED, 5, 6], truncated=False), Example([1, 5, 6], [IGNORED, IGNORED, 6], False)]
    assert completion_metrics(texts, [[-3.0], [-6.0]]).loss == pytest.approx(9 / 3)


def test_predictions_are_stored_row_by_row(recipe_of: Callable[..., Recipe], tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store_predictions(store, recipe_of(), DATASET, WRONG, RIGHT)
    header, *rows = csv.reader(io.StringIO(store.read(PREDICTIONS).decode(), newline=""))
    assert header[:2] == ["text", "label"]
    assert [row[:4] for row in rows] == [
        ["fell, badly", "negative", "neutral", "negative"],
        ["rose\nagain", "positive", "neutral", "positive"],
    ]
    for row in rows:
        chances = [float(cell) for cell in row[4:]]
        assert sum(chances) == pytest.approx(2, abs=1e-4)


def test_metrics_are_stored_by_model(recipe_of: Callable[..., Recipe], tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    store_metrics(store, classify(recipe_of(), DATASET, WRONG, RIGHT))
    told = json.loads(store.read(METRICS))
    assert {name: each["accuracy"] for name, each in told.items()} == {BASE: 0, TUNED: 1}

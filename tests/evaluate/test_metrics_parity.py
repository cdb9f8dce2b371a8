"""Metrics against scikit-learn's, on random cases."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from launcher.evaluate.bootstrap import f1_intervals, ratio_interval
from launcher.evaluate.calibration import BINS, calibration
from launcher.evaluate.metrics import classification_metrics

LABELS = ("negative", "neutral", "positive", "mixed")
label = st.sampled_from(LABELS)
pairs = st.lists(st.tuples(label, label), min_size=1, max_size=120)
judged = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200)


@settings(max_examples=200, deadline=None)
@given(pairs, st.permutations(LABELS))
def test_scores_are_scikit_learns(drawn: list[tuple[str, str]], labels: Sequence[str]) -> None:
    true, predicted = zip(*drawn, strict=True)
    metrics = classification_metrics(true, predicted, labels)
    exactly = {"labels": list(labels), "zero_division": 0.0}
    assert metrics.accuracy == accuracy_score(true, predicted)
    assert metrics.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", **exactly), abs=1e-12)
    assert metrics.weighted_f1 == pytest.approx(f1_score(true, predicted, average="weighted", **exactly), abs=1e-12)
    assert [list(row) for row in metrics.confusion] == confusion_matrix(true, predicted, labels=labels).tolist()
    columns = precision_recall_fscore_support(true, predicted, **exactly)
    told = [(each.precision, each.recall, each.f1, each.support) for each in metrics.per_class]
    assert told == [pytest.approx(row) for row in zip(*columns, strict=True)]


@settings(max_examples=200, deadline=None)
@given(judged)
def test_the_calibration_error_is_that_of_scikit_learns_curve(drawn: list[tuple[float, bool]]) -> None:
    confidences, right = zip(*drawn, strict=True)
    made = calibration(confidences, right)
    filled = [each for each in made.bins if each.rows]
    accuracy, confidence = calibration_curve(right, confidences, n_bins=BINS, strategy="uniform")
    assert [each.accuracy for each in filled] == pytest.approx(list(accuracy))
    assert [each.confidence for each in filled] == pytest.approx(list(confidence))
    rows = [each.rows for each in filled]
    assert sum(rows) == len(drawn)
    gaps = sum(count * abs(a - c) for count, a, c in zip(rows, accuracy, confidence, strict=True))
    assert made.error == pytest.approx(gaps / len(drawn))


def test_a_model_that_is_as_often_right_as_it_is_sure_has_no_error() -> None:
    assert calibration([0.75] * 4, [True, True, True, False]).error == 0
    assert calibration([1.0] * 4, [False] * 4).error == 1


@settings(max_examples=25, deadline=None)
@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(drawn: list[tuple[str, str]], random: object) -> None:
    metrics = classification_metrics(*zip(*drawn, strict=True), LABELS)
    random.shuffle(drawn)  # type: ignore[attr-defined]
    assert classification_metrics(*zip(*drawn, strict=True), LABELS) == metrics


def test_drawing_cells_gives_the_intervals_of_drawing_rows() -> None:
    """A bootstrap over rows, written out, comes to the same within what 1,000 draws can tell."""
    import numpy as np

    random = np.random.default_rng(7)
    true = random.integers(0, 3, 400)
    predicted = np.where(random.random(400) < 0.7, true, random.integers(0, 3, 400))
    scores: dict[str, list[float]] = {"macro": [], "weighted": []}
    for _ in range(1000):
        rows = random.integers(0, 400, 400)
        for average, found in scores.items():
            found.append(f1_score(true[rows], predicted[rows], average=average, labels=[0, 1, 2], zero_division=0.0))
    intervals = f1_intervals(confusion_matrix(true, predicted).tolist())
    for interval, found in zip(intervals, scores.values(), strict=True):
        assert interval == pytest.approx(tuple(np.quantile(found, (0.025, 0.975))), abs=0.008)


def test_an_interval_of_a_ratio_covers_the_truth_as_often_as_it_says() -> None:
    import numpy as np

    random, covered = np.random.default_rng(3), 0
    for _ in range(200):
        tokens = random.integers(1, 20, 150)
        low, high = ratio_interval((tokens * random.exponential(2.0, 150)).tolist(), tokens.tolist())
        covered += low <= 2.0 <= high
    assert 178 <= covered <= 199  # 190 expected; a binomial's 99.9 % range, and percentile intervals run a bit short


def test_one_row_has_an_interval_of_one_value() -> None:
    metrics = classification_metrics(["mixed"], ["mixed"], LABELS, [[0.1, 0.1, 0.1, 0.7]])
    assert metrics.macro_f1_low == metrics.macro_f1_high == 0.25
    assert metrics.weighted_f1_low == metrics.weighted_f1_high == 1
    assert metrics.calibration is not None
    assert metrics.calibration.error == pytest.approx(0.3)

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.evaluate.metrics import ClassificationMetrics, classification_metrics

LABELS = ("negative", "neutral", "positive")


def test_scores_agree_with_a_calculation_by_hand() -> None:
    true = ["negative"] * 4 + ["neutral"] * 4 + ["positive"] * 2
    predicted = ["negative"] * 3 + ["neutral"] + ["neutral"] * 4 + ["negative", "positive"]
    metrics = classification_metrics(true, predicted, LABELS)

    assert (metrics.rows, metrics.accuracy) == (10, 0.8)
    assert metrics.confusion == ((3, 1, 0), (0, 4, 0), (1, 0, 1))
    negative, neutral, positive = metrics.per_class
    assert (negative.precision, negative.recall, negative.f1, negative.support) == (0.75, 0.75, 0.75, 4)
    assert (neutral.precision, neutral.recall, neutral.support) == (0.8, 1.0, 4)
    assert (positive.precision, positive.recall, positive.support) == (1.0, 0.5, 2)
    assert metrics.macro_f1 == pytest.approx((3 / 4 + 8 / 9 + 2 / 3) / 3)


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=200))
def test_interval_is_wilsons_and_the_counts_add_up(pairs: list[tuple[str, str]]) -> None:
    true, predicted = zip(*pairs, strict=True)
    metrics = classification_metrics(true, predicted, LABELS)
    n, p, z = len(pairs), metrics.accuracy, 1.959963984540054
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert metrics.accuracy_low == pytest.approx(centre - half, abs=1e-12)
    assert metrics.accuracy_high == pytest.approx(centre + half, abs=1e-12)
    assert sum(map(sum, metrics.confusion)) == n
    assert [sum(row) for row in metrics.confusion] == [each.support for each in metrics.per_class]
    assert ClassificationMetrics.from_dict(json.loads(json.dumps(metrics.to_dict()))) == metrics


def test_a_label_that_is_never_predicted_scores_zero_and_counts_in_the_mean() -> None:
    metrics = classification_metrics(["a", "b"], ["a", "a"], ["b", "a"])
    assert metrics.labels == ("b", "a")
    assert (metrics.per_class[0].precision, metrics.per_class[0].f1) == (0.0, 0.0)
    assert metrics.macro_f1 == pytest.approx((0 + 2 / 3) / 2)


def test_a_label_outside_the_list_is_not_dropped_in_silence() -> None:
    with pytest.raises(AssertionError, match="every label"):
        classification_metrics(["a", "b"], ["a", "other"], ["a", "b"])

"""How well predicted labels match the true ones."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from launcher.evaluate.bootstrap import f1_intervals
from launcher.evaluate.calibration import Bin, Calibration, calibration


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One label against all others; fractions of 1."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    """Rows that truly have the label."""


@dataclass(frozen=True, slots=True)
class ClassificationMetrics:
    """Fractions of 1 over all rows."""

    rows: int
    accuracy: float
    accuracy_low: float
    """Lower end of the 95 % Wilson score interval."""
    accuracy_high: float
    macro_f1: float
    """Mean of the labels' F1, whatever their support."""
    macro_f1_low: float
    """Lower end of the 95 % bootstrap interval."""
    macro_f1_high: float
    weighted_f1: float
    """Mean of the labels' F1, each weighted by its support."""
    weighted_f1_low: float
    """Lower end of the 95 % bootstrap interval."""
    weighted_f1_high: float
    per_class: tuple[ClassMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows counted by true label (outer) and predicted label (inner), both in the order of `per_class`."""
    calibration: Calibration | None = None
    """None where a model gives labels without probabilities."""

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(each.label for each in self.per_class)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold and `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ClassificationMetrics":
        per_class = tuple(ClassMetrics(**each) for each in values["per_class"])
        confusion = tuple(tuple(row) for row in values["confusion"])
        told = values["calibration"]
        sure = None if told is None else Calibration(told["error"], tuple(Bin(**each) for each in told["bins"]))
        return cls(**{**values, "per_class": per_class, "confusion": confusion, "calibration": sure})


def classification_metrics(
    true: Sequence[str],
    predicted: Sequence[str],
    labels: Sequence[str],
    probabilities: Sequence[Sequence[float]] | None = None,
) -> ClassificationMetrics:
    """Scores of one predicted label a row; a ratio over no rows, as the precision of a label never predicted, is 0.

    The interval of accuracy is Wilson's (1927), doi:10.1080/01621459.1927.10502953; those of F1 are bootstrapped.

    Args:
        true: at least one row's label.
        predicted: as long as `true`.
        labels: every label that either holds, each once, in the order to report.
        probabilities: (rows, labels) what each label was given, to tell the calibration.
    """
    from scipy.stats import binomtest
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    assert true, "no rows to score"
    assert len({*labels}) == len(labels), "labels must differ"
    assert {*true, *predicted} <= {*labels}, "labels must name every label"
    correct = sum(t == p for t, p in zip(true, predicted, strict=True))
    interval = binomtest(correct, len(true)).proportion_ci(confidence_level=0.95, method="wilson")
    names = list(labels)
    columns = precision_recall_fscore_support(true, predicted, labels=names, zero_division=0.0)
    per_class = tuple(
        ClassMetrics(label, float(precision), float(recall), float(f1), int(support))
        for label, precision, recall, f1, support in zip(names, *columns, strict=True)
    )
    confusion = tuple(tuple(row) for row in confusion_matrix(true, predicted, labels=names).tolist())
    macro, weighted = f1_intervals(confusion)
    return ClassificationMetrics(
        rows=len(true),
        accuracy=correct / len(true),
        accuracy_low=float(interval.low),
        accuracy_high=float(interval.high),
        macro_f1=float(columns[2].mean()),
        macro_f1_low=macro.low,
        macro_f1_high=macro.high,
        weighted_f1=float(columns[2] @ columns[3]) / len(true),
        weighted_f1_low=weighted.low,
        weighted_f1_high=weighted.high,
        per_class=per_class,
        confusion=confusion,
        calibration=None if probabilities is None else _calibration(true, predicted, names, probabilities),
    )


def _calibration(
    true: Sequence[str], predicted: Sequence[str], labels: list[str], probabilities: Sequence[Sequence[float]]
) -> Calibration:
    place = {label: number for number, label in enumerate(labels)}
    sure = [row[place[label]] for label, row in zip(predicted, probabilities, strict=True)]
    return calibration(sure, [t == p for t, p in zip(true, predicted, strict=True)])

"""`predictions.csv`: every test row with what base and tuned model make of it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one model makes of some rows."""

    labels: Sequence[str]
    """Predicted label name of each row."""
    probabilities: Sequence[Sequence[float]]
    """(rows, label names)"""


def predictions_csv(
    texts: Sequence[str], labels: Sequence[str], names: Sequence[str], base: Predictions, tuned: Predictions
) -> bytes:
    """The table in UTF-8, quoted and with line ends as RFC 4180 says; probabilities with six digits.

    Args:
        texts: one a row.
        labels: true label name of each row.
        names: label names in the order of the probabilities.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    probability_columns = [f"{model}_p_{name}" for model in ("base", "tuned") for name in names]
    writer.writerow(["text", "label", "base_prediction", "tuned_prediction", *probability_columns])
    columns = (texts, labels, base.labels, tuned.labels, base.probabilities, tuned.probabilities)
    for text, label, base_label, tuned_label, *probabilities in zip(*columns, strict=True):
        digits = [f"{p:.6g}" for row in probabilities for p in row]
        assert len(digits) == len(probability_columns), "one probability a label name"
        writer.writerow([text, label, base_label, tuned_label, *digits])
    return table.getvalue().encode()

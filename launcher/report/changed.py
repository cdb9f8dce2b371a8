"""Test rows on which base and tuned model differ, out of predictions.csv."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

SHOWN = 6
LONGEST = 400
"""Characters of a text that are shown."""


@dataclass(frozen=True, slots=True)
class Example:
    """A test row with both answers, and the probability that each model gave its own."""

    text: str
    label: str
    base: str
    base_p: float
    tuned: str
    tuned_p: float


@dataclass(frozen=True, slots=True)
class Changed:
    """Of all test rows: what the tuned model got right that the base had wrong, and the other way round."""

    rows: int
    mended: int
    broken: int
    mended_examples: Sequence[Example]
    """Those of which the tuned model is surest, of each true label in turn."""
    broken_examples: Sequence[Example]


def changed(predictions: Sequence[Mapping[str, str]]) -> Changed:
    """What changed from base to tuned model."""
    rows = [_example(row) for row in predictions]
    mended = [row for row in rows if row.tuned == row.label != row.base]
    broken = [row for row in rows if row.base == row.label != row.tuned]
    return Changed(len(rows), len(mended), len(broken), _surest(mended), _surest(broken))


def _surest(rows: Sequence[Example]) -> list[Example]:
    by_label: dict[str, list[Example]] = {}
    for row in sorted(rows, key=lambda row: -row.tuned_p):
        by_label.setdefault(row.label, []).append(row)
    in_turn = (row for each in zip_longest(*by_label.values()) for row in each if row is not None)
    return list(islice(in_turn, SHOWN))


def _example(row: Mapping[str, str]) -> Example:
    base, tuned, text = row["base_prediction"], row["tuned_prediction"], row["text"]
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}\N{HORIZONTAL ELLIPSIS}"
    return Example(shown, row["label"], base, float(row[f"base_p_{base}"]), tuned, float(row[f"tuned_p_{tuned}"]))

import io
import random
from collections.abc import Sequence

import pytest
from rich.console import Console

from launcher.evaluate.metrics import ClassificationMetrics, classification_metrics
from launcher.evaluate.table import BASE, CLASSICAL, TUNED, results_table

LABELS = ("negative", "neutral", "positive")


def _metrics(labels: Sequence[str], right: float, rows: int = 900) -> ClassificationMetrics:
    draw = random.Random(right)
    true = [labels[row % len(labels)] for row in range(rows)]
    return classification_metrics(
        true, [label if draw.random() < right else draw.choice(labels) for label in true], labels
    )


def _rendered(results: dict[str, ClassificationMetrics], width: int, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding, write_through=True), width=width, color_system=None)
    console.print(results_table(results, width))
    return raw.getvalue().decode(encoding)


def _results(labels: Sequence[str]) -> dict[str, ClassificationMetrics]:
    return {BASE: _metrics(labels, 0.0), TUNED: _metrics(labels, 0.9), CLASSICAL: _metrics(labels, 0.6)}


@pytest.mark.parametrize("width", [80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_all_numbers_are_readable_without_colour_or_terminal(width: int, encoding: str) -> None:
    results = _results(LABELS)
    text = _rendered(results, width, encoding)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "…" not in text
    for name, metrics in results.items():
        interval = f"{metrics.accuracy:.3f} [{metrics.accuracy_low:.3f}, {metrics.accuracy_high:.3f}]"
        (line,) = (line for line in text.splitlines() if interval in line)
        assert name in line
        assert f"{metrics.macro_f1:.3f}" in line
        for each in metrics.per_class:
            scores = [f"{each.precision:.3f}", f"{each.recall:.3f}", f"{each.f1:.3f}", str(each.support)]
            assert any(all(part in line for part in [each.label, name, *scores]) for line in text.splitlines())
    for label, counts in zip(LABELS, results[TUNED].confusion, strict=True):
        cells = [label, *map(str, counts)]
        assert any([cell for cell in line.split() if cell.isalnum()] == cells for line in text.splitlines())


def test_labels_in_brackets_are_not_read_as_markup() -> None:
    text = _rendered(_results(["[red]", "[/bold]"]), 80)
    assert text.count("[red]") == text.count("[/bold]") == 3 + 2


def test_a_matrix_too_wide_for_the_terminal_gives_way_to_its_largest_entries() -> None:
    labels = [f"intent-{number}" for number in range(20)]
    results = {TUNED: _metrics(labels, 0.5, 2000)}
    text = _rendered(results, 80)
    assert max(map(len, text.splitlines())) <= 80
    assert "most frequent confusions" in text
    largest = max(
        count
        for row, counts in enumerate(results[TUNED].confusion)
        for column, count in enumerate(counts)
        if row != column
    )
    first = text.splitlines()[
        text.splitlines().index(next(line for line in text.splitlines() if "predicted" in line)) + 2
    ]
    assert str(largest) in first.split()
    assert "most frequent" not in _rendered(results, 400)


def test_the_classical_line_may_be_left_out() -> None:
    results = _results(LABELS)
    del results[CLASSICAL]
    assert "TF-IDF" not in _rendered(results, 80)

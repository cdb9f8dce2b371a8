"""The table that ends a run: base, tuned and classical line side by side."""

from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.evaluate.metrics import ClassificationMetrics

BASE = "base"
TUNED = "tuned"
CLASSICAL = "TF-IDF + logistic regression"
SHOWN_CONFUSIONS = 10


def results_table(results: Mapping[str, ClassificationMetrics], width: int) -> RenderableType:
    """Scores of each model, then of each class, then how the tuned model confuses classes.

    Args:
        results: model name to its metrics, in the order to show; confusions are those of `TUNED`, where it is there,
            else of the first.
        width: columns of the terminal; a confusion matrix that is wider gives way to its largest entries.
    """
    tuned = results.get(TUNED)
    shown, whose = (next(iter(results.values())), "") if tuned is None else (tuned, " of the tuned model")
    parts = {f"Results on {shown.rows:,} test rows": _overall(results), "By class": _per_class(results)}
    matrix = _confusion_matrix(shown)
    if Console(width=10_000).measure(matrix).maximum <= width:
        parts[f"Confusions{whose}"] = matrix
    else:
        parts[f"The {SHOWN_CONFUSIONS} most frequent confusions{whose}"] = _largest_confusions(shown)
    return Group(*(line for title, table in parts.items() for line in (Text(title, style="bold"), table, Text())))


def _overall(results: Mapping[str, ClassificationMetrics]) -> Table:
    table = _table("model", "accuracy\n[95 % interval]", "macro-F1", "weighted-F1")
    for name, metrics in results.items():
        interval = f"[{metrics.accuracy_low:.3f}, {metrics.accuracy_high:.3f}]"
        _add_row(
            table, name, f"{metrics.accuracy:.3f} {interval}", f"{metrics.macro_f1:.3f}", f"{metrics.weighted_f1:.3f}"
        )
    return table


def _per_class(results: Mapping[str, ClassificationMetrics]) -> Table:
    table = _table("class", "model", "precision", "recall", "F1", "rows")
    table.columns[1].justify = "left"
    for classes in zip(*(metrics.per_class for metrics in results.values()), strict=True):
        for name, each in zip(results, classes, strict=True):
            scores = (f"{score:.3f}" for score in (each.precision, each.recall, each.f1))
            _add_row(table, each.label, name, *scores, str(each.support))
        table.add_section()
    return table


def _confusion_matrix(metrics: ClassificationMetrics) -> Table:
    table = _table("true, down; predicted, across", *metrics.labels)
    for label, counts in zip(metrics.labels, metrics.confusion, strict=True):
        _add_row(table, label, *map(str, counts))
    return table


def _largest_confusions(metrics: ClassificationMetrics) -> Table:
    table = _table("true", "predicted", "rows")
    table.columns[1].justify = "left"
    pairs = [
        (count, true, predicted)
        for true, counts in zip(metrics.labels, metrics.confusion, strict=True)
        for predicted, count in zip(metrics.labels, counts, strict=True)
        if count and true != predicted
    ]
    for count, true, predicted in sorted(pairs, key=lambda pair: -pair[0])[:SHOWN_CONFUSIONS]:
        _add_row(table, true, predicted, str(count))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table()
    table.add_column(Text(first), overflow="fold")
    for other in others:
        table.add_column(Text(other), justify="right", overflow="fold")
    return table


def _add_row(table: Table, *cells: str) -> None:
    # As Text, because a label or an interval in brackets would be read as markup
    table.add_row(*map(Text, cells))

"""Base and tuned model on the test rows: confusions, calibration, and all models' scores, as figures."""

from collections.abc import Mapping

from launcher.draw.figure import Box, Dot, Figure, Ink, Path, Shape, Words
from launcher.draw.scale import Scale
from launcher.evaluate.metrics import ClassificationMetrics
from launcher.evaluate.table import BASE, TUNED

WIDTH = 400.0
NAMED = 12
"""Labels up to which a matrix has room for words and numbers."""
INKS: Mapping[str, Ink] = {BASE: "second", TUNED: "first"}
LONGEST = 16
"""Characters of a label's name that are shown."""


def confusion(which: str, metrics: ClassificationMetrics) -> Figure:
    """True labels downwards, predicted ones across; a cell is as dark as its share of its row."""
    labels, named = metrics.labels, len(metrics.labels) <= NAMED
    left = 12.0 + 6.2 * min(max(map(len, labels)), LONGEST) if named else 14.0
    top = 40.0 if named else 26.0
    cell = (WIDTH - left - 8) / len(labels)
    height = min(cell, 56.0 if named else cell)
    shapes: list[Shape] = [Words(left, 11, "predicted, across; true, down", "muted")]
    for row, (label, counts) in enumerate(zip(labels, metrics.confusion, strict=True)):
        y = top + row * height
        if named:
            shapes.append(Words(left - 6, y + height / 2, _cut(label, LONGEST), "text", "end"))
            room = max(int(cell / 6.2), 2)
            shapes.append(Words(left + (row + 0.5) * cell, top - 11, _cut(label, room), "text", "middle"))
        for column, count in enumerate(counts):
            share = count / max(sum(counts), 1)
            note = f"true {label}, predicted {labels[column]}: {count:,} rows, {share:.1%}"
            gap = 1.0 if named else 0.0
            at = (left + column * cell, y, cell - gap, height - gap)
            shapes += [Box(*at, "grid", 0.45), Box(*at, "first" if row == column else "bad", share, note)]
            if named:
                ink: Ink = "on-first" if share > 0.55 else "text"
                shapes.append(Words(at[0] + cell / 2, y + height / 2, f"{count:,}", ink, "middle", 12))
    total = top + height * len(labels) + 6
    says = f"Confusion matrix of the {which} model: {metrics.accuracy:.1%} of {metrics.rows:,} rows on the diagonal"
    return Figure(f"confusion-{which}", f"Confusions of the {which} model", says, WIDTH, total, shapes)


def reliability(results: Mapping[str, ClassificationMetrics]) -> Figure | None:
    """Accuracy against confidence; None where no model tells probabilities. A dot's area is its share of the rows."""
    left, right, top, bottom = 46.0, 22.0, 40.0, 34.0
    height = 314.0
    across, up = Scale(0, 1, left, WIDTH - right), Scale(0, 1, height - bottom, top)
    shapes: list[Shape] = []
    for mark in (0, 0.25, 0.5, 0.75, 1):
        shapes += [
            Path(((left, up.at(mark)), (WIDTH - right, up.at(mark))), "grid"),
            Words(left - 6, up.at(mark), f"{mark:.0%}", "muted", "end"),
            Words(across.at(mark), height - bottom + 13, f"{mark:.0%}", "muted", "middle"),
        ]
    shapes.append(Path(((across.at(0), up.at(0)), (across.at(1), up.at(1))), "muted", dashed=True))
    shapes.append(Words(WIDTH - right, height - 7, "confidence; upwards, how often it is right", "muted", "end"))
    errors, x = [], left
    for name, metrics in results.items():
        if metrics.calibration is None or name not in INKS:
            continue
        errors.append(f"{name} {metrics.calibration.error:.3f}")
        shapes += [Dot(x + 4, 12, 4, INKS[name]), Words(x + 13, 12, f"{name}, error {errors[-1].split()[-1]}", "muted")]
        x += 170
        for each in metrics.calibration.bins:
            if each.rows:
                radius = 2 + 12 * (each.rows / metrics.rows) ** 0.5
                note = f"{name}: {each.rows:,} rows, confidence {each.confidence:.1%}, right {each.accuracy:.1%}"
                shapes.append(Dot(across.at(each.confidence), up.at(each.accuracy), radius, INKS[name], note))
    says = f"Calibration, expected error: {', '.join(errors)}"
    return Figure("calibration", "Calibration", says, WIDTH, height, shapes) if errors else None


def scores(results: Mapping[str, ClassificationMetrics]) -> Figure:
    """Accuracy and macro-F1 of every model, each with its 95 % interval."""
    left, right, top, row = 12.0, 14.0, 30.0, 58.0
    height = top + row * len(results) + 22
    lowest = min(min(each.accuracy_low, each.macro_f1_low) for each in results.values())
    across = Scale(max(lowest // 0.1 / 10, 0.0), 1.0, left, WIDTH - right)
    shapes: list[Shape] = []
    for tenth in range(round(across.low * 10), 11):
        x = across.at(tenth / 10)
        shapes += [Path(((x, top - 6), (x, height - 22)), "grid")]
        if (10 - tenth) % 2 == 0:
            shapes.append(Words(x, height - 11, f"{tenth / 10:.1f}", "muted", "middle"))
    kinds: tuple[tuple[str, Ink], ...] = (("accuracy", "first"), ("macro-F1", "second"))
    for place, (kind, ink) in enumerate(kinds):
        shapes += [Dot(left + 4 + place * 90, 12, 4, ink), Words(left + 13 + place * 90, 12, kind, "muted")]
    for place, (name, each) in enumerate(results.items()):
        y = top + place * row
        shapes.append(Words(left, y + 8, name, "text", size=12))
        told = (
            (each.accuracy, each.accuracy_low, each.accuracy_high),
            (each.macro_f1, each.macro_f1_low, each.macro_f1_high),
        )
        for line, ((kind, ink), (value, low, high)) in enumerate(zip(kinds, told, strict=True)):
            at = y + 25 + line * 14
            note = f"{name}: {kind} {value:.3f}, 95 % interval {low:.3f} to {high:.3f}"
            shapes += [
                Path(((across.at(low), at), (across.at(high), at)), ink, 2.5),
                Dot(across.at(value), at, 4, ink, note),
            ]
    says = "; ".join(
        f"{name}: accuracy {each.accuracy:.3f}, macro-F1 {each.macro_f1:.3f}" for name, each in results.items()
    )
    return Figure("scores", "Scores on the test rows, with 95 % intervals", says, WIDTH, height, shapes)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"

"""A sweep as a picture: memory, speed and goodput over the number of accelerators."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from launcher.draw.figure import Dot, Figure, Ink, Path, Shape, Words
from launcher.draw.scale import Scale, short, ticks
from launcher.plan.sweep import Point

PANEL, HEIGHT = 330.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 20.0, 30.0, 40.0
LABEL = 7.0
"""Width of a digit."""
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    values: Values
    marks: Sequence[float]
    """Of the axis, the first and the last at its ends."""
    write: Callable[[float], str] = short
    logarithmic: bool = False
    room: float | None = None
    """A line that values have to stay below."""


def sweep_figure(points: Sequence[Point], room: int | None, title: str) -> Figure:
    """Three panels; what does not fit is hollow.

    Args:
        points: One at least, by rising number of accelerators.
        room: Bytes that a rank may take.
    """
    shapes: list[Shape] = []
    for place, panel in enumerate(_panels(points, room)):
        shapes += _draw(panel, points, place * PANEL)
    if not all(each.fits for each in points):
        shapes.append(Words(LEFT, HEIGHT - 7, "hollow: does not fit", "muted"))
    fitting = ", ".join(str(each.gpus) for each in points if each.fits)
    says = f"{title}: fits on {fitting} GPUs" if fitting else f"{title}: fits on none of these numbers of GPUs"
    return Figure("sweep", title, says, 3 * PANEL, HEIGHT, shapes)


def _panels(points: Sequence[Point], room: int | None) -> list[_Panel]:
    """Those of which anything is known."""
    limit = None if room is None else room / 2**30
    memory = [each.peak / 2**30 for each in points]
    panels = [_Panel("memory a GPU, GiB", memory, ticks(0.0, max([*memory, limit or 0.0])), room=limit)]
    speed, goodput = [each.tokens_per_second for each in points], [each.goodput for each in points]
    if told := [value for value in speed if value]:
        panels.append(_Panel("tokens/s of all GPUs", speed, _decades(min(told), max(told)), logarithmic=True))
    if told := [value for value in goodput if value is not None]:
        marks = ticks(min(told), max(told))
        panels.append(_Panel("goodput", goodput, marks, lambda share: f"{100 * share:.3g}%"))
    return panels


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, from just below `low` to just above `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [each * 10.0**power for power in powers for each in (1, 2, 5)]
    below = max(mark for mark in marks if mark <= low)
    above = min(mark for mark in marks if mark >= high and mark > below)
    return [mark for mark in marks if below <= mark <= above]


def _draw(panel: _Panel, points: Sequence[Point], x: float) -> list[Shape]:
    across = _log_scale(points[0].gpus, points[-1].gpus, x + LEFT, x + PANEL - RIGHT)
    up = _axis(panel)
    shapes: list[Shape] = [Words(x + LEFT, 14, panel.title)]
    for mark in panel.marks:
        y = up(mark)
        shapes.append(Path(((x + LEFT, y), (x + PANEL - RIGHT, y)), "grid"))
        shapes.append(Words(x + LEFT - 6, y, panel.write(mark), "muted", "end"))
    end = -math.inf
    for each in points:
        at, half = across(each.gpus), LABEL * len(str(each.gpus)) / 2
        if at - half > end:
            shapes.append(Words(at, HEIGHT - BOTTOM + 13, str(each.gpus), "muted", "middle"))
            end = at + half
    shapes.append(Words(x + PANEL - RIGHT, HEIGHT - 7, "GPUs", "muted", "end"))
    if panel.room is not None:
        y = up(panel.room)
        shapes.append(Path(((x + LEFT, y), (x + PANEL - RIGHT, y)), "bad", 1.2, dashed=True))
        shapes.append(Words(x + PANEL - RIGHT, y - 8, f"room {short(panel.room)}", "bad", "end"))
    placed = [
        (across(each.gpus), up(value), each.fits)
        for each, value in zip(points, panel.values, strict=True)
        if value is not None
    ]
    shapes.append(Path(tuple((at, y) for at, y, _ in placed), "first", 1.5))
    return shapes + [dot for at, y, fits in placed for dot in _dot(at, y, "first", hollow=not fits)]


def _dot(x: float, y: float, ink: Ink, *, hollow: bool) -> list[Shape]:
    return [Dot(x, y, 3.4, ink), *([Dot(x, y, 2.0, "paper")] if hollow else [])]


def _axis(panel: _Panel) -> Callable[[float], float]:
    low, high = panel.marks[0], panel.marks[-1]
    if panel.logarithmic:
        return _log_scale(low, high, HEIGHT - BOTTOM, TOP)
    return Scale(low, high, HEIGHT - BOTTOM, TOP).at


def _log_scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    scale = Scale(math.log(low), math.log(high if high > low else 2 * low), start, end)
    return lambda value: scale.at(math.log(value))

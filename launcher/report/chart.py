"""Curves over steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from launcher.draw.figure import Dot, Figure, Ink, Path, Point, Shape, Words
from launcher.draw.scale import Scale, short, ticks

WIDTH, HEIGHT = 400.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 26.0, 34.0
MOST_POINTS = 500
SMOOTHED_FROM = 60
"""Points from which a noisy curve also has a running mean."""


@dataclass(frozen=True, slots=True)
class Series:
    """A named curve: (step, value), steps rising."""

    name: str
    points: Sequence[Point]
    ink: Ink = "first"
    noisy: bool = False
    """Drawn faint, with its running mean over it."""
    dots: bool = False


def line_chart(
    name: str, title: str, series: Sequence[Series], *, from_zero: bool = False, write: Callable[[float], str] = short
) -> Figure:
    """Curves over one axis of steps.

    Args:
        series: One with a point or more at least; names are shown where there are several.
        from_zero: Let the axis begin at 0, as for amounts.
        write: A value as the axis tells it.
    """
    steps = [step for each in series for step, _ in each.points]
    values = [value for each in series for _, value in each.points]
    marks = ticks(min([0.0, *values] if from_zero else values), max(values))
    across = Scale(min(steps), max(steps) if max(steps) > min(steps) else min(steps) + 1, LEFT, WIDTH - RIGHT)
    up = Scale(marks[0], marks[-1], HEIGHT - BOTTOM, TOP)
    shapes = [*_axes(across, up, marks, write), *_legend(series)]
    for each in series:
        shapes += _curve(each, across, up, write)
    ends = "; ".join(f"{each.name} from {write(each.points[0][1])} to {write(each.points[-1][1])}" for each in series)
    return Figure(name, title, f"{title} over steps: {ends}", WIDTH, HEIGHT, shapes)


def _axes(across: Scale, up: Scale, marks: Sequence[float], write: Callable[[float], str]) -> list[Shape]:
    shapes: list[Shape] = []
    for mark in marks:
        y = up.at(mark)
        shapes += [Path(((LEFT, y), (WIDTH - RIGHT, y)), "grid"), Words(LEFT - 6, y, write(mark), "muted", "end")]
    for mark in ticks(across.low, across.high):
        if across.low <= mark <= across.high and mark == round(mark):
            shapes.append(Words(across.at(mark), HEIGHT - BOTTOM + 13, short(mark), "muted", "middle"))
    return [*shapes, Words(WIDTH - RIGHT, HEIGHT - 7, "step", "muted", "end")]


def _legend(series: Sequence[Series]) -> list[Shape]:
    shapes: list[Shape] = []
    x = LEFT
    for each in series if len(series) > 1 else ():
        shapes += [Path(((x, 12), (x + 14, 12)), each.ink, 2.5), Words(x + 19, 12, each.name, "muted")]
        x += 19 + 6.2 * len(each.name) + 18
    return shapes


def _curve(series: Series, across: Scale, up: Scale, write: Callable[[float], str]) -> list[Shape]:
    def placed(points: Sequence[Point]) -> tuple[Point, ...]:
        return tuple((across.at(step), up.at(value)) for step, value in points)

    thinned = placed(thin(series.points))
    if series.dots or len(series.points) == 1:
        dots = [
            Dot(x, y, 2.8, series.ink, f"{series.name}: step {step:,.0f}, {write(value)}")
            for (x, y), (step, value) in zip(placed(series.points), series.points, strict=True)
        ]
        return [Path(thinned, series.ink, 1.5), *dots]
    if series.noisy and len(series.points) >= SMOOTHED_FROM:
        mean = placed(thin(running_mean(series.points)))
        return [Path(thinned, series.ink, 1.0, opacity=0.3), Path(mean, series.ink, 2.0)]
    return [Path(thinned, series.ink, 1.8)]


def running_mean(points: Sequence[Point]) -> list[Point]:
    """Means over windows of a 25th of the curve that end at each point; shorter at its beginning."""
    window = max(len(points) // 25, 2)
    sums, means = [0.0], []
    for place, (step, value) in enumerate(points, 1):
        sums.append(sums[-1] + value)
        first = max(place - window, 0)
        means.append((step, (sums[place] - sums[first]) / (place - first)))
    return means


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Not many more than `most` points, with every spike: of each stretch its lowest, highest, first and last."""
    if len(points) <= most:
        return list(points)
    stretch = -(-len(points) * 4 // most)
    kept: set[int] = set()
    for start in range(0, len(points), stretch):
        places = range(start, min(start + stretch, len(points)))
        by_value = sorted(places, key=lambda place: points[place][1])
        kept |= {places[0], places[-1], by_value[0], by_value[-1]}
    return [points[place] for place in sorted(kept)]

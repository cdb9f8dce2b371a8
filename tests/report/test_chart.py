"""Curves over steps."""

import math
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.draw.figure import Path
from launcher.draw.svg import svg
from launcher.report.chart import MOST_POINTS, Series, line_chart, running_mean, thin

numbers = st.floats(-1e12, 1e12, allow_nan=False)
curves = st.lists(numbers, min_size=1, max_size=3000).map(lambda values: list(enumerate(values)))


@given(curves)
def test_thinning_keeps_ends_and_extremes_and_some_hundred_points(points: list[tuple[float, float]]) -> None:
    kept = thin(points)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert {min(value for _, value in points), max(value for _, value in points)} <= {value for _, value in kept}
    assert len(kept) <= MOST_POINTS + 4
    assert kept == sorted(kept)


def test_a_running_mean_is_that_of_the_window_before_a_point() -> None:
    points = [(step, float(step % 7)) for step in range(100)]
    for place, (step, value) in enumerate(running_mean(points)):
        window = [each for _, each in points[max(place - 3, 0) : place + 1]]
        assert (step, value) == (points[place][0], pytest.approx(sum(window) / len(window)))


@pytest.mark.parametrize("values", [[3.0], [2.0, 2.0], [0.0, 0.0], [-1.0, 1e-9], [5.0] * 700])
def test_any_curve_can_be_drawn(values: list[float]) -> None:
    figure = line_chart("x", "X", [Series("x", list(enumerate(values)), noisy=True)])
    assert all(
        math.isfinite(x) and math.isfinite(y)
        for each in figure.shapes
        if isinstance(each, Path)
        for x, y in each.points
    )
    ElementTree.fromstring(svg(figure))

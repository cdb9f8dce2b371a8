"""Scales, shapes, pictures and colours."""

import io
import struct
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from launcher.draw.figure import Box, Dot, Figure, Path, Words
from launcher.draw.palette import DARK, LIGHT
from launcher.draw.png import SCALE, TITLE, png
from launcher.draw.scale import short, size, span, ticks
from launcher.draw.svg import svg

numbers = st.floats(-1e12, 1e12, allow_nan=False)


@given(numbers, st.floats(0, 1e12))
def test_an_axis_holds_its_range_and_has_few_marks(low: float, length: float) -> None:
    marks = ticks(low, low + length)
    assert marks == sorted(set(marks))
    slack = 1e-6 * max(abs(low), length, 1e-9)
    assert marks[0] <= low + slack
    assert marks[-1] >= low + length - slack
    assert 2 <= len(marks) <= 9


def test_words_are_escaped_in_a_page_and_shapes_stay_inside() -> None:
    shapes = [Words(1, 1, "<script>&"), Box(0, 0, 5, 5, "first", 0.5, '"note" <b>'), Dot(2, 2, 1, "bad", "x")]
    drawn = ElementTree.fromstring(svg(Figure("x", "X", 'says "<', 10, 10, list(shapes))))
    assert [each.text for each in drawn.iter("text")] == ["<script>&"]
    assert [each.text for each in drawn.iter("title")] == ['"note" <b>', "x"]


def test_a_picture_has_three_pixels_for_one_and_shows_what_is_drawn() -> None:
    shapes = [Box(0, 0, 20, 10, "first"), Path(((0, 5), (40, 5)), "bad", 2.0, dashed=True), Dot(30, 5, 3, "good")]
    content = png(Figure("x", "Title", "", 40, 10, list(shapes)))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (40 * SCALE, round((10 + TITLE) * SCALE))
    picture = Image.open(io.BytesIO(content))
    assert picture.getpixel((5 * SCALE, round((TITLE + 1) * SCALE) + 2)) == (0x1F, 0x5F, 0xBF)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_words_can_be_read_on_paper(palette: dict[str, str]) -> None:
    """Contrast by WCAG 2.2: 4.5 for words, 3 for lines that mean something."""
    for ink in ("text", "muted", "good", "bad"):
        assert contrast(palette[ink], palette["paper"]) >= 4.5, ink
    for ink in ("first", "second", "third"):
        assert contrast(palette[ink], palette["paper"]) >= 3, ink
    assert contrast(palette["on-first"], palette["first"]) >= 4.5
    assert contrast(palette["on-first"], palette["bad"]) >= 4.5


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_numbers_are_written_short() -> None:
    assert [short(value) for value in (0, 0.02, 1500, 191_000, 3e-5, -2.5e9)] == [
        "0",
        "0.02",
        "1.5k",
        "191k",
        "3e-05",
        "-2.5G",
    ]
    assert [span(value) for value in (8.25, 59.4, 96, 7500, 200_000)] == [
        "8.2 s",
        "59 s",
        "1 min 36 s",
        "2 h 05 min",
        "2 d 7 h",
    ]
    assert [size(value) for value in (512, 765288, 5 * 2**30)] == ["512 B", "747.4 KiB", "5.0 GiB"]

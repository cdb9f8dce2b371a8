"""Figures as PNG, drawn by Pillow, which brings a typeface along: a cluster's nodes often have none."""

import io
from itertools import pairwise
from typing import TYPE_CHECKING

from launcher.draw.figure import Box, Dot, Figure, Ink, Path, Point, Shape, Words
from launcher.draw.palette import LIGHT
from launcher.errors import InvalidInput

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

SCALE = 3
"""Pixels of the picture for each of the figure's."""
SMOOTH = 2
"""Drawn this much larger and made smaller then, as Pillow's lines have hard edges."""
TITLE = 26.0
"""Height of the title."""
ANCHOR = {"start": "lm", "middle": "mm", "end": "rm"}
DASH, GAP = 4.0, 3.0


def check_pillow(flag: str) -> None:
    """Raises InvalidInput, which names the flag that asks for a picture, where Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise InvalidInput(f"{flag}: pictures are drawn by Pillow; pip install 'llama-launcher[report]'") from None


def png(figure: Figure) -> bytes:
    """The picture on white under its title, three pixels for each of the figure's."""
    from PIL import Image, ImageDraw

    zoom = SCALE * SMOOTH
    drawing = Image.new("RGB", (round(figure.width * zoom), round(figure.height * zoom)), LIGHT["paper"])
    draw = ImageDraw.Draw(drawing)
    for shape in figure.shapes:
        _draw(draw, shape, zoom)
    large = Image.new("RGB", (drawing.width, drawing.height + round(TITLE * zoom)), LIGHT["paper"])
    large.paste(drawing, (0, round(TITLE * zoom)))
    _draw(ImageDraw.Draw(large), Words(8, TITLE / 2, figure.title, size=13), zoom)
    size = (round(figure.width * SCALE), round((figure.height + TITLE) * SCALE))
    content = io.BytesIO()
    large.resize(size, Image.Resampling.LANCZOS).save(content, "PNG", optimize=True)
    return content.getvalue()


def _draw(draw: "ImageDraw", shape: Shape, zoom: float) -> None:
    if isinstance(shape, Path):
        width = max(round(shape.width * zoom), 1)
        for part in _dashes(shape.points) if shape.dashed else [shape.points]:
            draw.line([(x * zoom, y * zoom) for x, y in part], _colour(shape.ink, shape.opacity), width, joint="curve")
    elif isinstance(shape, Box):
        right, bottom = max((shape.x + shape.width) * zoom - 1, shape.x * zoom), (shape.y + shape.height) * zoom - 1
        corners = (shape.x * zoom, shape.y * zoom, right, max(bottom, shape.y * zoom))
        draw.rectangle(corners, _colour(shape.ink, shape.opacity))
    elif isinstance(shape, Dot):
        x, y, radius = shape.x * zoom, shape.y * zoom, shape.radius * zoom
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), _colour(shape.ink, 1))
    else:
        assert isinstance(shape, Words)
        from PIL import ImageFont

        font = ImageFont.load_default(shape.size * zoom)
        draw.text((shape.x * zoom, shape.y * zoom), shape.text, _colour(shape.ink, 1), font, ANCHOR[shape.anchor])


def _colour(ink: Ink, opacity: float) -> tuple[int, ...]:
    """The ink over paper: Pillow draws no transparent lines on a picture without an alpha channel."""
    over, under = ([int(LIGHT[each][at : at + 2], 16) for at in (1, 3, 5)] for each in (ink, "paper"))
    return tuple(round(o * opacity + u * (1 - opacity)) for o, u in zip(over, under, strict=True))


def _dashes(points: tuple[Point, ...]) -> list[tuple[Point, Point]]:
    parts = []
    for (x, y), (to_x, to_y) in pairwise(points):
        length = max(((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5, 1e-9)
        for number in range(int(length / (DASH + GAP)) + 1):
            begin = number * (DASH + GAP) / length
            end = min(begin + DASH / length, 1.0)
            parts.append(tuple((x + (to_x - x) * at, y + (to_y - y) * at) for at in (begin, end)))
    return parts  # type: ignore[return-value]

"""Figures as SVG inside a page, whose style sheet has the colours."""

from html import escape

from launcher.draw.figure import Box, Dot, Figure, Path, Shape, Words


def svg(figure: Figure) -> str:
    """The `<svg>` element; its classes are those of `palette.classes`."""
    inside = "".join(map(_drawn, figure.shapes))
    size = f"{figure.width:g} {figure.height:g}"
    return f'<svg viewBox="0 0 {size}" role="img" aria-label="{escape(figure.says)}">{inside}</svg>'


def _drawn(shape: Shape) -> str:
    if isinstance(shape, Path):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        dashes = ' stroke-dasharray="4 3"' if shape.dashed else ""
        return (
            f'<polyline class="l-{shape.ink}" fill="none" stroke-width="{shape.width:g}" stroke-linejoin="round" '
            f'opacity="{shape.opacity:g}"{dashes} points="{points}"/>'
        )
    if isinstance(shape, Box):
        place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}"'
        return f'<rect class="f-{shape.ink}" opacity="{shape.opacity:.3g}" {place}>{_note(shape.note)}</rect>'
    if isinstance(shape, Dot):
        place = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}"'
        return f'<circle class="f-{shape.ink}" {place}>{_note(shape.note)}</circle>'
    assert isinstance(shape, Words)
    # dominant-baseline is not the same in all browsers; a third of the size is
    place = f'x="{shape.x:.1f}" y="{shape.y + shape.size * 0.35:.1f}" text-anchor="{shape.anchor}"'
    return f'<text class="f-{shape.ink}" font-size="{shape.size:g}" {place}>{escape(shape.text)}</text>'


def _note(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""

"""A drawing as a list of shapes, for a page (`svg.py`) and for a picture (`png.py`) alike.

Charts are drawn by this small code and not by matplotlib: a page needs each one once for light and dark, for wide
screens and for phones, with the words as words, and a report must not need 40 MB of packages on a login node.
"""

from dataclasses import dataclass, field
from typing import Literal

Ink = Literal["paper", "text", "muted", "grid", "first", "second", "third", "good", "bad", "on-first"]
"""What a colour is for; `palette.py` has the colours."""
Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

TEXT_SIZE = 11.0


@dataclass(frozen=True, slots=True)
class Path:
    """A line through points."""

    points: tuple[Point, ...]
    ink: Ink
    width: float = 1.0
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle; `note` is told where a pointer rests on it."""

    x: float
    y: float
    width: float
    height: float
    ink: Ink
    opacity: float = 1.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    ink: Ink
    note: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text whose middle is at height `y`."""

    x: float
    y: float
    text: str
    ink: Ink = "text"
    anchor: Anchor = "start"
    size: float = TEXT_SIZE


Shape = Path | Box | Dot | Words


@dataclass(frozen=True, slots=True)
class Figure:
    """Lengths are in CSS pixels; y grows downwards."""

    name: str
    """Of its file, such as `loss`."""
    title: str
    says: str
    """What it shows in words, for those who cannot see it."""
    width: float
    height: float
    shapes: list[Shape] = field(default_factory=list)

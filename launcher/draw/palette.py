"""What each ink looks like on white and on black; contrasts of words are at least 4.5 to 1 (WCAG 2.2, AA)."""

from collections.abc import Mapping

from launcher.draw.figure import Ink

LIGHT: Mapping[Ink, str] = {
    "paper": "#ffffff",
    "text": "#1b1f24",
    "muted": "#59636e",
    "grid": "#dfe3e8",
    "first": "#1f5fbf",
    "second": "#b45309",
    "third": "#0f766e",
    "good": "#1a7f37",
    "bad": "#c0262d",
    "on-first": "#ffffff",
}
DARK: Mapping[Ink, str] = {
    "paper": "#15181d",
    "text": "#e8eaed",
    "muted": "#9aa4b0",
    "grid": "#2f353d",
    "first": "#6ea8fe",
    "second": "#f0a355",
    "third": "#4fc3b5",
    "good": "#56c271",
    "bad": "#ff7b7b",
    "on-first": "#0b1220",
}


def variables(palette: Mapping[Ink, str]) -> str:
    """The palette as CSS variables."""
    return "".join(f"--{ink}:{colour};" for ink, colour in palette.items())


def classes() -> str:
    """CSS that gives shapes their ink: `f-` fills, `l-` draws lines."""
    return "".join(f".f-{ink}{{fill:var(--{ink})}}.l-{ink}{{stroke:var(--{ink})}}" for ink in LIGHT)

"""A run's attempts, commits and interruptions along its time."""

from collections.abc import Sequence

from launcher.draw.figure import Box, Dot, Figure, Ink, Path, Shape, Words
from launcher.draw.scale import Scale, span, ticks
from launcher.errors import EXIT_AGAIN
from launcher.report.attempts import AttemptRecord

WIDE, NARROW = 1000.0, 360.0
TOP, ROW, BAR = 24.0, 54.0, 14.0
MARKS: dict[str, tuple[Ink, str]] = {
    "commit": ("good", "commit"),
    "model": ("first", "model stored"),
    "save-skipped": ("second", "save skipped"),
    "save-failed": ("bad", "save failed"),
    "roll-back": ("bad", "rolled back"),
    "stuck": ("bad", "stuck"),
}
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def timeline(attempts: Sequence[AttemptRecord], width: float = WIDE) -> Figure:
    """An attempt a row: a bar from its begin to its end, darker while it trained, with its commits as dots.

    Args:
        attempts: One at least.
    """
    began, ended = attempts[0].opened, max(each.ended for each in attempts)
    length = max(ended - began, 1.0)
    across = Scale(0.0, length, 8.0, width - 12.0)
    height = TOP + ROW * len(attempts) + 26
    shapes: list[Shape] = [*_legend(attempts), *_axis(across, height, narrow=width == NARROW)]
    for place, attempt in enumerate(attempts):
        shapes += _row(attempt, TOP + place * ROW, across, began)
    said = "; ".join(f"attempt {each.number}: {ending(each)}, {span(each.ended - each.opened)}" for each in attempts)
    name = "timeline-narrow" if width == NARROW else "timeline"
    return Figure(name, "Attempts, commits and interruptions", f"Over {span(length)}: {said}", width, height, shapes)


def ending(attempt: AttemptRecord) -> str:
    """How an attempt ended, in few words."""
    if attempt.cause is None:
        return "killed: it never closed" if attempt.followed else "not closed: still at work, or killed"
    return attempt.cause if attempt.exit_code == 0 else f"{attempt.cause} (exit {attempt.exit_code})"


def _ink(attempt: AttemptRecord) -> Ink:
    if attempt.exit_code == EXIT_AGAIN:
        return "second"
    return "bad" if attempt.exit_code or (attempt.cause is None and attempt.followed) else "first"


def _row(attempt: AttemptRecord, y: float, across: Scale, began: float) -> list[Shape]:
    start, end = across.at(attempt.opened - began), across.at(attempt.ended - began)
    ink = _ink(attempt)
    steps = _steps(attempt)
    room = int((across.end - across.start) / 6.0)
    how = f"attempt {attempt.number}: {ending(attempt)}"
    bar = y + 20
    note = f"attempt {attempt.number}: {steps}; {ending(attempt)}"
    shapes: list[Shape] = [
        Words(across.start, y + 9, how if len(how) <= room else f"{how[: room - 1]}\N{HORIZONTAL ELLIPSIS}", "text"),
        Box(across.start, bar, across.end - across.start, BAR, "grid", 0.5),
        Box(start, bar, max(end - start, 2.0), BAR, ink, 0.3, note),
    ]
    if attempt.trained is not None:
        first, last = (across.at(time - began) for time in attempt.trained)
        shapes.append(Box(first, bar, max(last - first, 1.0), BAR, ink, 0.55, note))
    if ink == "bad":
        shapes.append(Path(((end, bar - 3), (end, bar + BAR + 3)), "bad", 2.5))
    for mark in attempt.marks:
        inked, what = MARKS[mark.kind]
        shapes.append(Dot(across.at(mark.time - began), bar + BAR / 2, 4.0, inked, f"{what} after step {mark.step:,}"))
    return [*shapes, Words(across.start, bar + BAR + 10, steps, "muted")]


def _steps(attempt: AttemptRecord) -> str:
    if attempt.began_after is None or attempt.last_step is None:
        return "no step on record"
    if attempt.last_step <= attempt.began_after:
        return f"trained to step {attempt.began_after:,} before"
    told = f"steps {attempt.began_after + 1:,} to {attempt.last_step:,}"
    return f"{told}, of which {attempt.redone_steps:,} were done again" if attempt.redone_steps else told


def _axis(across: Scale, height: float, *, narrow: bool) -> list[Shape]:
    unit, name = next((each for each in UNITS if across.high >= 2 * each[0]), UNITS[-1])
    shapes: list[Shape] = []
    for mark in ticks(0.0, across.high / unit, 4 if narrow else 10):
        x = across.at(mark * unit)
        if x <= across.end:
            shapes.append(Path(((x, TOP), (x, height - 22)), "grid"))
            shapes.append(Words(x, height - 11, f"{mark:g} {name}", "muted", "start" if mark == 0 else "middle"))
    return shapes


def _legend(attempts: Sequence[AttemptRecord]) -> list[Shape]:
    there = {mark.kind for attempt in attempts for mark in attempt.marks}
    shapes: list[Shape] = []
    x = 12.0
    for kind, (ink, what) in MARKS.items():
        if kind in there:
            shapes += [Dot(x, 10, 4, ink), Words(x + 9, 10, what, "muted")]
            x += 9 + 6.2 * len(what) + 16
    return shapes

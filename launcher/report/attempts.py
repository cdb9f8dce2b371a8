"""A run's attempts, and how much of the time went into steps that were kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any

from launcher.checkpoint.entries import Close, Commit, Entry, Open
from launcher.storage.layout import MODEL
from launcher.track.values import RESUME

Event = Mapping[str, Any]
REACH = 8
"""Records over which a pace is taken: a save lets several go out at once, so neighbours tell nothing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a moment, by the clock of whoever noted it."""

    time: float
    """Seconds since 1970."""
    kind: str
    """`commit`, `model`, `save-skipped`, `save-failed`, `roll-back` or `stuck`."""
    step: int
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One worker group of a run. Times are seconds since 1970, by the clocks of the machines that noted them."""

    number: int
    backend: str
    job_id: str
    hosts: tuple[str, ...]
    took_over: str | None
    opened: float
    ended: float
    """When it closed; where it never did, the last that was heard of it."""
    cause: str | None
    """None where it never closed."""
    exit_code: int | None
    began_after: int | None
    """The step that it went on from; None where it ended before it trained."""
    last_step: int | None
    """The last that is on record: a killed attempt takes with it what came after its last save."""
    kept_until: int
    """Later attempts went on from here, or it is its last step."""
    pace: float | None
    """Seconds a step, from one record to the next; the median over the attempt, so that pauses for evaluations and
    saves do not count."""
    followed: bool
    """Another attempt came after it, so that it has ended however little is known of it."""
    trained: tuple[float, float] | None
    """When its first and its last step on record were noted."""
    marks: tuple[Mark, ...]

    @property
    def kept_steps(self) -> int:
        return 0 if self.began_after is None else max(self.kept_until - self.began_after, 0)

    @property
    def redone_steps(self) -> int:
        """Of those on record."""
        return 0 if self.last_step is None else max(self.last_step - self.kept_until, 0)

    @property
    def kept_s(self) -> float:
        """Seconds in steps that were kept, at the attempt's own pace."""
        return 0.0 if self.pace is None else min(self.kept_steps * self.pace, self.ended - self.opened)


@dataclass(frozen=True, slots=True)
class Goodput:
    """Where a run's time went, in seconds."""

    wall: float
    """From the first attempt's begin to the last one's end."""
    kept: float
    """In steps that were kept."""
    redone: float
    """In steps on record that were done again; what a kill took with it is among `other`."""
    between: float
    """Between attempts."""

    @property
    def other(self) -> float:
        """Starting, scoring, saving, storing the model."""
        return max(self.wall - self.kept - self.redone - self.between, 0.0)

    @property
    def share(self) -> float:
        """Kept steps' share of the wall time, 0 to 1."""
        return self.kept / self.wall if self.wall > 0 else 0.0


def goodput(attempts: Sequence[AttemptRecord]) -> Goodput:
    """Of a run with one attempt at least."""
    wall = attempts[-1].ended - attempts[0].opened
    between = sum(max(after.opened - before.ended, 0.0) for before, after in pairwise(attempts))
    redone = sum(each.redone_steps * each.pace for each in attempts if each.pace is not None)
    return Goodput(wall, sum(each.kept_s for each in attempts), redone, between)


def attempt_records(entries: Sequence[Entry], events: Sequence[Event]) -> list[AttemptRecord]:
    """Every attempt in order, from the journal and from what its leading rank noted."""
    opens = [entry for entry in entries if isinstance(entry, Open)]
    begins = {opened.attempt: _began_after(opened.attempt, events) for opened in opens}
    return [_record(opened, entries, [e for e in events if e["attempt"] == opened.attempt], begins) for opened in opens]


def seconds(time: str) -> float:
    """ISO 8601 -> seconds since 1970."""
    return datetime.fromisoformat(time).timestamp()


def _began_after(attempt: int, events: Iterable[Event]) -> int | None:
    own = [event for event in events if event["attempt"] == attempt]
    if not own:
        return None
    return next((int(event["step"]) for event in own if event["kind"] == RESUME), 0)


def _record(
    opened: Open, entries: Sequence[Entry], events: Sequence[Event], begins: Mapping[int, int | None]
) -> AttemptRecord:
    own = [entry for entry in entries if entry.attempt == opened.attempt]
    closed = next((entry for entry in own if isinstance(entry, Close)), None)
    steps = [(seconds(event["time"]), int(event["step"])) for event in events if event["kind"] == "step"]
    heard = [seconds(entry.time) for entry in own] + [seconds(event["time"]) for event in events]
    committed = [entry.step for entry in own if isinstance(entry, Commit)]
    last = max([*committed, *(step for _, step in steps)], default=None)  # not every step need be recorded
    later = [step for attempt, step in begins.items() if attempt > opened.attempt and step is not None]
    return AttemptRecord(
        number=opened.attempt,
        backend=opened.backend,
        job_id=opened.job_id,
        hosts=opened.hosts,
        took_over=opened.took_over,
        opened=seconds(opened.time),
        ended=max(heard) if closed is None else seconds(closed.time),
        cause=None if closed is None else closed.cause,
        exit_code=None if closed is None else closed.exit_code,
        began_after=begins[opened.attempt],
        last_step=last,
        kept_until=min([last or 0, *later]),
        pace=_pace(steps),
        followed=any(isinstance(entry, Open) and entry.attempt > opened.attempt for entry in entries),
        trained=(steps[0][0], steps[-1][0]) if steps else None,
        marks=tuple(_marks(own, events)),
    )


def _pace(steps: Sequence[tuple[float, int]]) -> float | None:
    """Seconds a step, by (time, step) of what was recorded; None of less than two records."""
    reach = min(REACH, len(steps) - 1)
    spans = [
        (later - time) / (to - step)
        for (time, step), (later, to) in zip(steps, steps[reach:], strict=False)
        if reach > 0
    ]
    return median(spans) if spans else None


def _marks(entries: Iterable[Entry], events: Iterable[Event]) -> list[Mark]:
    costs = {event["committed"]: event for event in events if event["kind"] == "commit"}
    marks = [
        Mark(
            seconds(entry.time),
            "model" if entry.checkpoint == MODEL else "commit",
            entry.step,
            costs.get(entry.step, {}),
        )
        for entry in entries
        if isinstance(entry, Commit)
    ]
    missed = [
        Mark(seconds(event["time"]), event["kind"], event["step"], event)
        for event in events
        if event["kind"] in ("save-skipped", "save-failed", "roll-back", "stuck")
    ]
    return sorted([*marks, *missed], key=lambda mark: mark.time)

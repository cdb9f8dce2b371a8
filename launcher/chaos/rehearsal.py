"""A run undisturbed and the same run disturbed, side by side on this machine."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from launcher.chaos.command import Started, run_to_the_end, started
from launcher.chaos.faults import FAULTS
from launcher.chaos.processes import Processes
from launcher.chaos.same import Alike, compare
from launcher.chaos.schedule import Planned
from launcher.checkpoint.entries import Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.errors import LauncherError
from launcher.storage.store import Store
from launcher.track.events import read_events

GO_ON = {75, 1, -9}
"""Exit codes after which a run is started again: interrupted, failed, killed."""
SPARE = 3
"""Starts beyond one a fault."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that happened."""

    planned: Planned
    did: str
    attempt: int
    time: datetime
    newest: int | None
    """Step of the newest commit by then."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    struck: tuple[Struck, ...]
    missed: tuple[Planned, ...]
    """The run ended before them."""
    starts: int
    """Commands that it took."""
    cold_s: float | None
    """Of the undisturbed run, from its command to its first step on record; None where it records none."""
    next_step_s: tuple[float | None, ...]
    """Of each fault that happened, seconds to the next step on record; None where a later fault took the record."""
    alike: Alike


@dataclass(slots=True)
class Rehearsing:
    """One rehearsal, under way.

    Attributes:
        words: Of `launcher run`, without a run id.
        folder: A local one of its own; both runs are in `folder/runs`.
    """

    words: Sequence[str]
    folder: Path
    tell: Tell
    struck: list[Struck] = field(default_factory=list)

    def go(self, plan: Sequence[Planned]) -> Rehearsal:
        """Run both to their ends.

        Raises:
            LauncherError: the undisturbed run fails, or the disturbed one does not come to its end.
        """
        began = datetime.now(UTC)
        self.tell("undisturbed  runs")
        run_to_the_end([*self.words, "--run-id", "undisturbed"], self.folder, "undisturbed")
        calm = self._store("undisturbed")
        times, took_s = _times(calm), (datetime.now(UTC) - began).total_seconds()
        cold_s = (times[0] - began).total_seconds() if times else None
        trained_s = (times[-1] - times[0]).total_seconds() if times else 0.0
        self.tell(f"undisturbed  ended after {took_s:.0f} s, {trained_s:.1f} s of them training")
        left, starts = deque(plan), 0
        while self._start(left, trained_s, starts := starts + 1) != 0:
            if starts > len(plan) + SPARE:
                raise LauncherError(f"the disturbed run did not end in {starts} starts; see {self.folder}")
        disturbed = self._store("disturbed")
        ends = [*(each.time for each in self.struck[1:]), None]
        waits = [next_step_s(disturbed, each, end) for each, end in zip(self.struck, ends, strict=True)]
        return Rehearsal(tuple(self.struck), tuple(left), starts, cold_s, tuple(waits), compare(disturbed, calm))

    def _start(self, left: deque[Planned], trained_s: float, number: int) -> int:
        """Start the disturbed run once; returns its exit code."""
        with started([*self.words, "--run-id", "disturbed"], self.folder, f"disturbed-{number}") as run:
            self._disturb(run, left, trained_s)
            code = run.ended()
            if code == 0:
                return code
            said = run.last_words()
        if code not in GO_ON:
            raise LauncherError(f"the disturbed run ended with exit code {code}: {said}")
        self.tell(f"exit code {code}  {said if code > 0 else 'killed'}; started again")
        return code

    def _disturb(self, run: Started, left: deque[Planned], trained_s: float) -> None:
        """Faults one after the other, until this command ends or none is left."""
        gone: int | None = None
        while left:
            there = run.training(after=gone)
            if there is None:
                return
            due = time.monotonic() + left[0].after * trained_s
            if not run.until(partial(self._ripe, due)):
                return
            there = Processes.of(run.driver)
            if there.uploader is None or not there.workers:
                continue  # the attempt ended meanwhile: wait for the next one, or for the end
            self._strike(run, there, left.popleft())
            gone = there.uploader if FAULTS[self.struck[-1].planned.fault].ends_attempt else None

    def _strike(self, run: Started, there: Processes, planned: Planned) -> None:
        commits, attempt = self._commits()
        now = datetime.now(UTC)
        did = FAULTS[planned.fault].strike(run, there, planned.choice)
        newest = commits[-1].step if commits else None
        self.struck.append(Struck(planned, did, attempt, now, newest))
        said = f"after the commit of step {newest}" if newest is not None else "before the first commit"
        self.tell(f"{planned.fault:<13}  {said}, in attempt {attempt}: {did}")

    def _ripe(self, due: float) -> bool:
        """Whether it is time, and the present attempt has a commit: two without one would end the run, rightly."""
        if time.monotonic() < due:
            return False
        commits, attempt = self._commits()
        return any(each.attempt == attempt for each in commits)

    def _commits(self) -> tuple[list[Commit], int]:
        entries = Journal(self._store("disturbed")).entries()
        opens = [each.attempt for each in entries if isinstance(each, Open)]
        return [each for each in entries if isinstance(each, Commit)], opens[-1] if opens else 0

    def _store(self, run_id: str) -> Store:
        return Store.open(str(self.folder / "runs" / run_id))


def next_step_s(store: Store, struck: Struck, until: datetime | None = None) -> float | None:
    """Seconds from a fault to the next step that was noted; both clocks are this machine's.

    Args:
        until: The next fault, which may take with it what was noted since the last save.
    """
    first = struck.attempt + FAULTS[struck.planned.fault].ends_attempt
    times = [
        datetime.fromisoformat(event["time"])
        for event in read_events(store)
        if event["kind"] == "step" and event["attempt"] >= first
    ]
    later = [each for each in times if struck.time < each and (until is None or each < until)]
    return (min(later) - struck.time).total_seconds() if later else None


def _times(store: Store) -> list[datetime]:
    """When each step on record was noted."""
    return [datetime.fromisoformat(event["time"]) for event in read_events(store) if event["kind"] == "step"]

"""A thread beside a rank's loop, which tells of a step that does not end, and ends the process where it never does."""

import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from types import FrameType, TracebackType
from typing import Self

import ray
from ray.exceptions import RayError

from launcher.recipe.sentinel import Sentinel as Settings
from launcher.train.cadence import Moment
from launcher.train.desk import RankFailure
from launcher.train.hangs import Frame, Hung, Stuck, aside
from launcher.train.rank import Rank

LATEST = 50
"""Steps whose median is the usual time."""
ENOUGH = 3
"""Steps until it is known."""
FIRST_TIMES = 10.0
"""Until then a step may take so many times `stuck_after_s`: first steps compile, connect and read."""
PERIOD_S = 2.0
OVERSLEPT = 3.0
"""Periods after which a look counts as late: the process was stopped, and the steps of others too."""
TELL_S = 10.0
"""For the driver to take the last word of a process that ends."""
EXIT_CODE = 70


def allowed_s(latest: Sequence[float], settings: Settings) -> float:
    """Seconds that a step may take before it counts as stuck, by those that the latest ones took."""
    if len(latest) < ENOUGH:
        return settings.stuck_after_s * FIRST_TIMES
    return max(settings.stuck_after_s, settings.stuck_multiple * median(latest))


class Watchdog:
    """Watches the thread that makes it, while the context is open."""

    def __init__(self, rank: Rank, step: int) -> None:
        """Args:
        step: Steps that have run.
        """
        self._rank = rank
        self._settings = rank.job.recipe.sentinel
        self._watched = threading.get_ident()
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._mark = step + 1, time.monotonic()  # the step under way, and since when
        self._told_at: float | None = None
        self._ended = threading.Event()
        self._period = min(PERIOD_S, self._settings.stuck_after_s / 4)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def beside(self, after_step: Callable[[Moment], bool]) -> Callable[[Moment], bool]:
        """Hear of each step that has run, and go on with `after_step`."""

        def after(now: Moment) -> bool:
            ended = time.monotonic()
            self._latest.append(ended - self._mark[1])
            self._mark = now.step + 1, ended
            return after_step(now)

        return after

    def _watch(self) -> None:
        looked, used = time.monotonic(), time.process_time()
        while not self._ended.wait(self._period):
            now, spent = time.monotonic(), time.process_time()
            late = now - looked - self._period
            if late > OVERSLEPT * self._period:
                self._forgive(late)
            self._look(now, busy=(spent - used) / max(now - looked, 1e-9))
            looked, used = now, spent

    def _look(self, now: float, *, busy: float) -> None:
        step, began = self._mark
        seconds, allowed = now - began, allowed_s(tuple(self._latest), self._settings)
        if seconds < allowed:
            self._told_at = None
            return
        stack = _stack(sys._current_frames().get(self._watched))
        if aside(stack):
            self._forgive(now - began)
        elif self._told_at is None:
            self._told_at = now
            usual = median(self._latest) if self._latest else 0.0
            stuck = Stuck(self._rank.number, socket.gethostname(), step, seconds, usual, busy, stack)
            print(f"stuck in step {step:,} for {seconds:.0f} s\n" + "\n".join(f"  {frame}" for frame in stack))
            self._rank.desk.post.remote(stuck)
        elif self._settings.hung_after_s is not None and now - self._told_at >= self._settings.hung_after_s:
            self._end(step, seconds, stack)

    def _forgive(self, seconds: float) -> None:
        """Time that no step is to blame for; a step that ends meanwhile begins a new count anyway."""
        step, began = self._mark
        self._mark = step, began + seconds
        if self._told_at is not None:
            self._told_at += seconds

    def _end(self, step: int, seconds: float, stack: Sequence[Frame]) -> None:
        """The thread that trains is inside a call that does not return, so the process ends as a whole."""
        error = Hung(f"step {step:,} had not ended after {seconds:.0f} s on rank {self._rank.number}")
        told = "\n".join(str(frame) for frame in stack)
        print(error, flush=True)
        types = tuple(each.__name__ for each in Hung.__mro__)
        failure = RankFailure(self._rank.number, socket.gethostname(), f"Hung: {error}", error, told, types, step)
        with suppress(RayError):  # the driver cannot be reached: it sees the process end
            ray.get(self._rank.desk.post.remote(failure), timeout=TELL_S)
        os._exit(EXIT_CODE)


def _stack(frame: FrameType | None) -> tuple[Frame, ...]:
    """Outermost first; nothing where the thread has ended."""
    found = []
    while frame is not None:
        found.append(Frame(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return tuple(reversed(found))

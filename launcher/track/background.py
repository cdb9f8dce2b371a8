"""Trackers that can neither stop nor delay training."""

import queue
import threading
import time
from collections.abc import Callable, Mapping

from launcher.track.tracker import Tell, Tracker

CAPACITY = 10_000
"""Entries that may wait for a tracker; about 10 MB."""
CLOSE_S = 120.0
"""What the end of a run waits for a tracker, at the most."""


class Background:
    """One tracker on a thread of its own; no call raises, and only `wait` waits."""

    def __init__(self, name: str, make: Callable[[], Tracker], tell: Tell, capacity: int = CAPACITY) -> None:
        self._name = name
        self._make = make
        self._tell = tell
        self._capacity = capacity
        self._waiting: queue.SimpleQueue[Callable[[Tracker], None] | None] = queue.SimpleQueue()
        self._failed = False
        self._fell_behind = False
        # A daemon, so that a tracker that hangs does not keep the process from ending
        self._thread = threading.Thread(target=self._work, name=f"track-{name}", daemon=True)
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Pass values on, unless too much waits already."""
        if self._failed:
            return
        if self._waiting.qsize() < self._capacity:
            kept = dict(values)
            self._waiting.put(lambda tracker: tracker.log(step, kept))
        elif not self._fell_behind:
            self._fell_behind = True
            self._tell(f"{self._name} cannot keep up: it misses values from step {step} on; the event log has them")

    def flush(self) -> None:
        """Ask the tracker to bring what it has into the run directory."""
        self._waiting.put(lambda tracker: tracker.flush())

    def close(self, exit_code: int) -> None:
        """Ask the tracker to end; nothing may follow but `wait`."""
        self._waiting.put(lambda tracker: tracker.close(exit_code))
        self._waiting.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for the tracker to have ended, no longer than this."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._tell(f"{self._name} did not end in {seconds:.0f} s, and is left behind; the event log has everything")

    def _work(self) -> None:
        try:
            tracker = self._make()
            while (task := self._waiting.get()) is not None:
                task(tracker)
        except Exception as error:  # whatever a tracker raises, training goes on
            self._failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            self._tell(f"{self._name} is switched off: {reason}; training goes on, and the event log has everything")


def close_all(trackers: list[Background], exit_code: int, seconds: float = CLOSE_S) -> None:
    """End all trackers at once, and wait for them no longer than this together."""
    for tracker in trackers:
        tracker.close(exit_code)
    until = time.monotonic() + seconds
    for tracker in trackers:
        tracker.wait(max(until - time.monotonic(), 0.0))

"""A sign of life that an attempt gives while it runs, and how another knows that none comes any more."""

import threading
import time
from collections.abc import Callable
from typing import Self
from uuid import uuid4

from launcher.checkpoint.entries import Open
from launcher.checkpoint.journal import Gone
from launcher.storage.client import single_try
from launcher.storage.retry import Retry, one_line
from launcher.storage.store import Store

PERIOD_S = 10.0
SILENCE_S = 6 * PERIOD_S
"""Without a beat for so long, an attempt is taken for dead; one that is not is fenced."""
POLLS = 12
"""Looks at a heartbeat while waiting for it to change."""


def heartbeat_name(attempt: int) -> str:
    """The only object of a run that is overwritten."""
    return f"heartbeat/{attempt}"


class Heartbeat:
    """Beats in a thread while the context is open. A store that is down costs beats, and never the attempt.

    Attributes:
        missed: Beats in a row that the store did not take.
    """

    def __init__(self, store: Store, attempt: int, tell: Callable[[str], None], period: float = PERIOD_S) -> None:
        self._store = single_try(store)
        self._name = heartbeat_name(attempt)
        self._tell = tell
        self._period = period
        self._writer = uuid4().hex
        self.missed = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        beats = 0
        while True:
            try:
                self._store.write(self._name, f"{self._writer} {beats}".encode())
            except Exception as error:  # every store's client has errors of its own; the next beat may arrive
                self.missed += 1
                if self.missed == 1:
                    place = f"{self._store.location}/{self._name}"
                    self._tell(f"{place}: no sign of life: {one_line(error)}; another attempt may take over")
            else:
                beats, self.missed = beats + 1, 0
            if self._ended.wait(self._period):
                return


def silent(
    store: Store,
    seconds: float = SILENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Gone:
    """Known to have ended by a heartbeat that does not change for so long, by the observer's own monotonic clock.

    One that was never written counts as unchanged too.
    """

    def gone(owner: Open) -> str | None:
        start, first = clock(), _beat(store, owner.attempt)
        while clock() - start < seconds:
            sleep(seconds / POLLS)
            if _beat(store, owner.attempt) != first:
                return None
        return f"its heartbeat did not change for {seconds:.0f} s"

    return gone


def ordered(owner: Open) -> str | None:
    """Known to have ended by the user's word (`--takeover`)."""
    return "--takeover"


def any_of(*ways: Gone) -> Gone:
    """Known to have ended by the first way that knows; quick ones come first."""

    def gone(owner: Open) -> str | None:
        return next((reason for way in ways if (reason := way(owner)) is not None), None)

    return gone


def _beat(store: Store, attempt: int) -> bytes | None:
    name = heartbeat_name(attempt)
    try:
        return Retry().call(f"{store.location}/{name}", lambda _: store.read(name))
    except FileNotFoundError:
        return None

"""Signals to the driver as notices. A batch shell, a preStop hook and a terminal all speak this way."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from launcher.interrupt.inbox import Inbox
from launcher.interrupt.notice import Kind, Notice

KINDS: dict[signal.Signals, tuple[Kind, str]] = {
    signal.SIGINT: ("stop", "Ctrl-C"),
    signal.SIGTERM: ("preemption", "SIGTERM"),
    signal.SIGUSR2: ("time-limit", "SIGUSR2"),
}


class Ended(BaseException):
    """A notice came where nothing can be committed: the command ends, and what it began cleans up behind itself.

    No `Exception`, as no library is to take it for a failure of its own.
    """


@contextmanager
def unwrapped() -> Iterator[None]:
    """What a handler raised in Ray's C code comes out as itself, where `ray.wait` makes a `SystemError` of it."""
    try:
        yield
    except SystemError as error:
        if isinstance(error.__cause__, Ended | KeyboardInterrupt):
            raise error.__cause__ from None
        raise


class Signals:
    """Handlers of the driver's main thread.

    A notice that nobody would hear raises `Ended`, and Ctrl-C `KeyboardInterrupt`; so does a second Ctrl-C in any case.
    """

    def __init__(self, inbox: Inbox, grace_s: float) -> None:
        """Nothing is installed yet.

        Args:
            grace_s: Seconds from SIGTERM to SIGKILL. What the warning signal leaves is longer, and nobody says.
        """
        self._heard = False
        self._inbox = inbox
        self._grace_s = grace_s
        self._pressed = 0

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Handle the signals for as long as this lasts."""
        before = {each: signal.signal(each, self._take) for each in KINDS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """For as long as this lasts somebody looks at the inbox, or what goes on ends soon and must not be cut."""
        with self._set(heard=True):
            yield

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """While notices are heard, a stretch in which nobody looks for them: there one raises."""
        with self._set(heard=False), unwrapped():
            yield

    @contextmanager
    def _set(self, *, heard: bool) -> Iterator[None]:
        before, self._heard = self._heard, heard
        try:
            yield
        finally:
            self._heard = before

    def _take(self, signum: int, frame: FrameType | None) -> None:
        came = signal.Signals(signum)
        kind, why = KINDS[came]
        deadline = time.monotonic() + self._grace_s if came == signal.SIGTERM else None
        self._inbox.put(Notice(kind, why, deadline))
        if came == signal.SIGINT:
            self._pressed += 1
            if self._pressed > 1 or not self._heard:
                raise KeyboardInterrupt
        elif not self._heard:
            raise Ended

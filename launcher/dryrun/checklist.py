"""What a person sees of a dry run: a line a stage, with a tick or a cross, its time, and what was found."""

import time

from rich.console import Console
from rich.status import Status

TICK, CROSS, NOTE = "✓", "✗", "!"


class Checklist:
    """One stage at a time; notes stand wherever they come up, and never fail anything."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._began = self._since = time.monotonic()
        self._live: Status | None = None

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def begin(self, stage: str) -> None:
        """A stage is under way."""
        self._stage, self._since = stage, time.monotonic()
        if self._console.is_terminal:
            self._live = self._console.status(stage)
            self._live.start()

    def done(self, found: str) -> None:
        """The stage went well."""
        self._line(TICK, self._stage, time.monotonic() - self._since, found)
        self._stage = ""

    def failed(self, why: str) -> None:
        """The stage did not; nothing where none is under way."""
        if self._stage:
            self._line(CROSS, self._stage, time.monotonic() - self._since, why)
            self._stage = ""

    def note(self, subject: str, told: str) -> None:
        """Something that a person should know of."""
        self._line(NOTE, subject, None, told)

    def line(self, text: str) -> None:
        """Words beside the list."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _line(self, mark: str, subject: str, seconds: float | None, told: str) -> None:
        if self._live is not None and mark != NOTE:
            self._live.stop()
            self._live = None
        took = " " * 7 if seconds is None else f"{seconds:5.1f} s"
        self.line(f"{mark} {subject:<9} {took}  {told}")

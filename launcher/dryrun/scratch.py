"""The place of a dry run: a folder of its own below the real storage root, and one on this machine; both go at the end.

Runs and prepared data sets of others lie beside it, and are never touched.
"""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from uuid import uuid4

from launcher.errors import InvalidInput
from launcher.storage.retry import one_line
from launcher.storage.store import Store

RUN = "run"
"""Name of the run in its place."""
KEPT = ("logs", "failures")
"""Of a run that failed."""
TRIES = 5
PAUSE_S = 0.5
"""For a process of the run that is just ending, and may still write."""


@dataclass(slots=True)
class Scratch:
    name: str
    root: Store
    """The storage root of the profile."""
    folder: Path
    """On this machine."""
    opened: bool = False
    """Whether there may be anything to remove."""

    @property
    def storage(self) -> str:
        """Where the run and its prepared data go."""
        return f"{self.root.location.rstrip('/')}/{self.name}"

    def open(self) -> None:
        """Make sure that the place can be written.

        Raises:
            InvalidInput: it cannot, or the store writes over what is there.
        """
        Store.open(self.storage).check_writable()
        self.opened = True

    def with_logs(self, why: str) -> str:
        """A reason that names files of the run, with those files kept on this machine and named there."""
        run = Store.open(f"{self.storage}/{RUN}")
        if run.location not in why:
            return why
        kept = Path(tempfile.gettempdir(), self.name)
        try:
            for folder in KEPT:
                if run.list(folder):
                    run.download(folder, kept / folder)
        except Exception as error:  # the failure itself is what must be heard of
            return f"{why} (which could not be kept: {one_line(error)})"
        return why.replace(run.location, str(kept))

    def clear(self) -> str:
        """Remove everything from the storage root; tells what was removed.

        Raises:
            LauncherError: something cannot be removed.
        """
        removed = self.root.list(self.name)
        for _ in range(TRIES):
            self.root.remove(self.name)
            if not self.root.list(self.name):
                return f"{len(removed)} objects removed from {self.storage}"
            time.sleep(PAUSE_S)
        raise InvalidInput(f"{self.storage} fills again as it is removed; remove it by hand")


@contextmanager
def scratch(storage: str) -> Iterator[Scratch]:
    """A name that nobody else has, and a local folder for as long as this lasts.

    A local storage root that was not there before goes again, where it is empty.
    """
    root = Store.open(storage)
    local = root.local_path("x")
    absent = [] if local is None else [each for each in (local.parent, *local.parent.parents) if not each.exists()]
    with tempfile.TemporaryDirectory(prefix="ll-dry-run-", ignore_cleanup_errors=True) as folder:
        try:
            yield Scratch(f"dry-run-{uuid4().hex[:8]}", root, Path(folder))
        finally:
            for each in absent:
                with suppress(OSError):
                    os.rmdir(each)


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that it cleans up behind itself."""

    def end(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

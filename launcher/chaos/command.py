"""A run as a command of its own, from its start to its exit code."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher.chaos.processes import Processes, kill_all
from launcher.errors import LauncherError

LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Started:
    """A `launcher run` that goes on."""

    process: subprocess.Popen[bytes]
    out: Path
    """What it prints."""
    err: Path

    @property
    def driver(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None

    def until(self, reached: Callable[[], bool]) -> bool:
        """Look often; False where the command ended first."""
        while not reached():
            if not self.running():
                return False
            time.sleep(LOOK_S)
        return True

    def training(self, after: int | None = None) -> Processes | None:
        """Wait for the uploader, which is started right before the first step; None where the command ended first.

        Args:
            after: Another uploader than this one: that of an attempt before.
        """
        found: list[Processes] = []

        def there() -> bool:
            found[:] = [Processes.of(self.driver)]
            return found[0].uploader not in (None, after)

        return found[0] if self.until(there) else None

    def ended(self) -> int:
        """Wait for the exit code, as `subprocess` gives it."""
        return self.process.wait()

    def last_words(self) -> str:
        """The last line on stderr, or on stdout."""
        said = [line for path in (self.out, self.err) for line in path.read_text().splitlines() if line.strip()]
        return said[-1] if said else "nothing said"


@contextmanager
def started(words: Sequence[str], folder: Path, name: str) -> Iterator[Started]:
    """Start `launcher` with some words; whatever is left of it is killed at the end.

    Args:
        folder: Where its output goes, to `<name>.out` and `<name>.err`.
    """
    out, err = folder / f"{name}.out", folder / f"{name}.err"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = [sys.executable, "-m", "launcher", *words]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
        )
    try:
        yield Started(process, out, err)
    finally:
        if process.poll() is None:
            kill_all(process.pid, Processes.of(process.pid))
        process.wait()


def run_to_the_end(words: Sequence[str], folder: Path, name: str) -> None:
    """Raises LauncherError, with its last words, where it ends with anything but 0."""
    with started(words, folder, name) as run:
        code = run.ended()
        if code != 0:
            raise LauncherError(f"the undisturbed run ended with exit code {code}: {run.last_words()}")

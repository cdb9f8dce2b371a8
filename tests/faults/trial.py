"""A run through the real command line, one attempt after the other."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from launcher.chaos.processes import Processes, kill_all
from launcher.chaos.same import steps, weights
from launcher.checkpoint.entries import Commit, Entry
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.e2e.command import LONGEST_S, Bench, Ended, Started, until

LOOK_S = 0.001


@dataclass(frozen=True)
class StoreBench(Bench):
    """A bench whose commands know of an object store, or are told more in their environment."""

    more: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return super().environment() | self.more


@dataclass(frozen=True)
class Attempt:
    """One command."""

    started: Started

    @property
    def driver(self) -> int:
        return self.started.process.pid

    def running(self) -> bool:
        return self.started.process.poll() is None

    def until_training(self) -> Processes:
        """Wait for the uploader, which is started right before the first step."""

        def there() -> bool:
            assert self.running(), f"ended before it trained: {self.started.err.read_text()}"
            return Processes.of(self.driver).uploader is not None

        until(there, "the uploader")
        return Processes.of(self.driver)

    def until(self, reached: Callable[[], bool]) -> bool:
        """Look often, as what is waited for passes quickly; False where the command ended first."""
        deadline = time.monotonic() + LONGEST_S
        while not reached():
            if not self.running():
                return False
            assert time.monotonic() < deadline, self.started.out.read_text()
            time.sleep(LOOK_S)
        return True

    def kill_all(self, there: Processes) -> None:
        """SIGKILL to the driver and everything that came of it.

        Args:
            there: The processes as they were known before.
        """
        kill_all(self.driver, there)
        self.started.process.wait(LONGEST_S)


@dataclass(frozen=True)
class Trial:
    """A run and how it is started."""

    bench: Bench
    words: tuple[str, ...]
    workers: int
    run_id: str
    store: Store
    """As the test itself reads the run, past any proxy."""

    @contextmanager
    def attempt(self, *more: str) -> Iterator[Attempt]:
        words = ("run", *self.words, f"cluster.workers={self.workers}", "--run-id", self.run_id, *more)
        with self.bench.started(*words) as started:
            yield Attempt(started)

    def to_the_end(self, *more: str) -> Ended:
        with self.attempt(*more) as attempt:
            ended = attempt.started.ended()
        assert ended.code == 0, (ended.err, ended.out[-2000:])
        return ended

    def entries(self) -> list[Entry]:
        return Journal(self.store).entries()

    def commits(self) -> list[Commit]:
        return [each for each in self.entries() if isinstance(each, Commit)]

    def weights(self) -> dict[str, bytes]:
        """The model's files of weights."""
        return weights(self.store)

    def steps(self) -> dict[int, dict[str, Any]]:
        """Each step's event; of one that was run again, the last attempt's."""
        return steps(self.store)

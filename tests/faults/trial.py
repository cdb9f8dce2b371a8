"""A run through the real command line, one attempt after the other."""

import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

from launcher.checkpoint.entries import Commit, Entry
from launcher.checkpoint.journal import Journal
from launcher.storage.layout import MODEL
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.e2e.command import LONGEST_S, Bench, Ended, Started, until
from tests.faults.watched import Processes, tree

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
        """SIGKILL to the driver and everything that came of it, stopped first so that none sees another one die.

        Args:
            there: The processes as they were known before: looking for them takes longer than a phase lasts.
        """
        signal_all(there.everything, signal.SIGSTOP)
        everything = tree(self.driver)
        signal_all(everything, signal.SIGSTOP)
        signal_all(everything, signal.SIGKILL)
        self.started.process.wait(LONGEST_S)
        psutil.wait_procs(everything[1:], timeout=LONGEST_S)
        if there.cluster is not None:
            shutil.rmtree(there.cluster, ignore_errors=True)


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
        names = [name for name in self.store.list(MODEL) if name.endswith(".safetensors")]
        assert names
        return {name: self.store.read(name) for name in names}

    def steps(self) -> dict[int, dict[str, Any]]:
        """Each step's event; of one that was run again, the last attempt's."""
        events = (event for event in read_events(self.store) if event["kind"] == "step")
        return {event["step"]: event for event in events}


def signal_all(processes: Iterable[psutil.Process], signum: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signum)


def kill(process: int) -> None:
    """SIGKILL; returns when it is dead, though it may not be reaped yet."""
    watch = os.pidfd_open(process)
    try:
        os.kill(process, signal.SIGKILL)
        select.select([watch], [], [], LONGEST_S)
    finally:
        os.close(watch)

"""A run as its journal tells it, stage by stage; after its first commit one of its workers is killed.

Nothing is added to what runs. A worker is held still from the moment its snapshot is stored until the commit is in the
journal, so that the run has steps left to train whenever it goes on, however slow or fast the store is.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from launcher.chaos.processes import Processes, kill
from launcher.checkpoint.contents import receipt_name
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.dryrun.checklist import Checklist
from launcher.dryrun.shrink import COMMIT_STEP, WORKERS
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.store import Store
from launcher.track.events import read_events

LOOK_S = 0.005
SEARCH_S = 0.5
"""Between two looks at the processes of this machine, which cost more."""
COMMIT_S = 60.0
"""For a commit of some hundred kB."""
E = TypeVar("E", Open, Commit, Close)
T = TypeVar("T")


class _Ended(Exception):
    """The run, or its first attempt, ended before what was waited for."""


class Watch:
    """Of one run.

    Attributes:
        complete: Whether every stage was seen.
    """

    def __init__(self, store: Store, checklist: Checklist) -> None:
        self.complete = False
        self._store = store
        self._journal = Journal(store)
        self._checklist = checklist
        self._over = threading.Event()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look on in a thread for as long as this lasts, and to the end of what the journal then has."""
        self._checklist.begin("prepare")
        with ThreadPoolExecutor(1, "dry-run-watch") as pool:
            looking = pool.submit(self._follow)
            try:
                yield
            finally:
                self._over.set()
        with suppress(_Ended):
            looking.result()

    def _follow(self) -> None:
        begin, done = self._checklist.begin, self._checklist.done
        self._until(lambda: self._entries(Open, 1))
        done("rows encoded, Ray started, the run opened in its journal")
        begin("train")
        victim = self._until(self._workers, look_s=SEARCH_S)[-1]
        self._until(lambda: self._still_first() and self._store.list(CHECKPOINTS))
        done(f"{COMMIT_STEP} steps on {WORKERS} workers")
        begin("commit")
        self._until(lambda: self._still_first() and self._receipts() == WORKERS)
        with _held(victim):
            self._until(lambda: self._still_first() and self._entries(Commit, 1), COMMIT_S)
            commit = self._entries(Commit, 1)[0]
            done(f"step {commit.step}, {self._size(commit)}, verified below {self._store.location}")
            begin("kill")
            kill(victim)
        closed = self._until(lambda: self._entries(Close, 1))[0]
        done(f"SIGKILL to a worker (process {victim}), which the run saw as: {closed.ended}")
        begin("resume")
        self._until(lambda: self._entries(Commit, 2))
        done(f"from the commit of step {self._entries(Commit, 1)[-1].step}: {self._trained()}")
        begin("evaluate")
        self.complete = True

    def _entries(self, kind: type[E], attempt: int) -> list[E]:
        return [each for each in self._journal.entries() if isinstance(each, kind) and each.attempt == attempt]

    def _still_first(self) -> bool:
        """Raises _Ended where the first attempt has ended by itself."""
        if self._entries(Close, 1):
            raise _Ended
        return True

    def _workers(self) -> tuple[int, ...]:
        """Their processes, once all are there."""
        self._still_first()
        found = Processes.of(os.getpid()).workers
        return found if len(found) == WORKERS else ()

    def _receipts(self) -> int:
        """Ranks whose snapshot is stored."""
        names = {receipt_name(rank) for rank in range(WORKERS)}
        return sum(name.rpartition("/")[2] in names for name in self._store.list(CHECKPOINTS))

    def _size(self, commit: Commit) -> str:
        return f"{sum(map(self._store.size, self._store.list(commit.checkpoint))) / 1e6:.2f} MB"

    def _trained(self) -> str:
        events = [each for each in read_events(self._store) if each["kind"] == "step" and each["attempt"] == 2]
        if not events:
            return "no step was left to train"
        return f"trained on from step {events[0]['step']}, and committed step {self._entries(Commit, 2)[0].step}"

    def _until(self, found: Callable[[], T], within_s: float = float("inf"), look_s: float = LOOK_S) -> T:
        """What is found at last.

        Raises:
            _Ended: the run has ended without it, or the time is up.
        """
        deadline = time.monotonic() + within_s
        while True:
            over = self._over.is_set() or time.monotonic() > deadline
            if there := found():
                return there
            if over:
                raise _Ended
            self._over.wait(look_s)


@contextmanager
def _held(process: int) -> Iterator[None]:
    """A process stands still for as long as this lasts."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it was killed meanwhile
            os.kill(process, signal.SIGCONT)

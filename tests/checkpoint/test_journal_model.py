"""Writers of one journal in every order of their single requests to the store, with lost answers and crashes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.checkpoint.entries import Commit, Open
from launcher.checkpoint.heartbeat import ordered
from launcher.checkpoint.journal import Journal
from launcher.errors import RunOwned
from launcher.storage.retry import Retry
from launcher.storage.store import Store

WRITERS = 3
COMMITS = 3
FAULTS = ["none", "none", "none", "lost request", "lost answer", "crash before", "crash after"]


class Crash(BaseException):
    """A process that is killed: it runs nothing more."""


@dataclass(slots=True)
class Writer:
    """A process of its own: it takes the run over, and commits until it is done, fenced or dead."""

    store: Store
    believed: list[str] = field(default_factory=list)
    """Nonces of commits that it was told are there."""
    fenced: bool = False

    def run(self) -> None:
        # Writers have no clock: a retry costs nothing, and there is no deadline
        journal = Journal(self.store, Retry(clock=lambda: 0.0, sleep=lambda seconds: None))
        try:
            attempt = journal.open_attempt("local", "1", ["here"], gone=ordered)
            for step in range(COMMITS):
                self.believed.append(attempt.commit(step, f"{attempt.number}/{step}", "digest").nonce)
        except RunOwned:
            self.fenced = True
        except Crash:
            pass


@dataclass(slots=True)
class Turns:
    """Lets one writer at a time do one request, whichever is chosen."""

    waiting: dict[int, threading.Event] = field(default_factory=dict)
    idle: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def take(self, writer: int) -> None:
        turn = self.waiting[writer] = threading.Event()
        self.idle.release()
        turn.wait()

    def play(self, actions: list[Callable[[], None]], choose: Callable[[list[int]], int]) -> None:
        def play_one(number: int) -> None:
            try:
                self.take(number)
                actions[number]()
            finally:
                self.idle.release()

        threads = [threading.Thread(target=play_one, args=(number,)) for number in range(len(actions))]
        for thread in threads:
            thread.start()
            self.idle.acquire()
        while self.waiting:
            chosen = choose(sorted(self.waiting))
            self.waiting.pop(chosen).set()
            self.idle.acquire()
        for thread in threads:
            thread.join()


@dataclass(frozen=True, slots=True)
class Faulty(Store):
    """Each request waits for its turn, and may fail or kill whoever asks."""

    before: Callable[[], str] = lambda: "none"

    def create(self, name: str, data: bytes) -> None:
        fault = self.before()
        if fault == "lost request":
            raise ConnectionError
        if fault == "crash before":
            raise Crash
        Store.create(self, name, data)
        if fault == "lost answer":
            raise ConnectionError
        if fault == "crash after":
            raise Crash

    def read(self, name: str) -> bytes:
        self.before()
        return Store.read(self, name)

    def list(self, prefix: str = "") -> list[str]:
        self.before()
        return Store.list(self, prefix)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_the_order_and_the_faults_the_log_is_dense_fenced_and_believed_rightly(data: st.DataObject) -> None:
    plain, turns = Store.open(f"memory://{uuid4()}"), Turns()
    chance = data.draw(st.randoms(use_true_random=False))

    def before(writer: int) -> Callable[[], str]:
        def wait() -> str:
            turns.take(writer)
            return chance.choice(FAULTS)

        return wait

    writers = [Writer(Faulty(plain.fs, plain.root, before(number))) for number in range(WRITERS)]
    turns.play([writer.run for writer in writers], chance.choice)

    entries = Journal(plain).entries()
    assert plain.list("journal") == [f"journal/{number:08d}.json" for number in range(1, len(entries) + 1)]
    assert len({entry.nonce for entry in entries}) == len(entries), "each once"
    owner = 0
    for entry in entries:
        if isinstance(entry, Open):
            assert entry.attempt == owner + 1
            owner = entry.attempt
        else:
            assert entry.attempt == owner, "no word of a fenced attempt"
    commits = [entry for entry in entries if isinstance(entry, Commit)]
    assert len({commit.checkpoint for commit in commits}) == len(commits)
    assert {nonce for writer in writers for nonce in writer.believed} <= {commit.nonce for commit in commits}

import threading
from pathlib import Path

import pytest

from launcher.checkpoint.entries import Close, Open
from launcher.checkpoint.heartbeat import Heartbeat, any_of, heartbeat_name, ordered, silent
from launcher.checkpoint.journal import Gone, Journal
from launcher.errors import RunOwned
from launcher.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.open(str(tmp_path / "run"))
    Journal(store).open_attempt("slurm", "4711", ["n1"])
    return store


class Observer:
    """Its own clock, on which only waiting passes; something may happen while it waits."""

    def __init__(self, store: Store, beats: bool) -> None:
        self.now = 1e9
        self._store = store
        self._beats = beats

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._beats:
            self._store.write(heartbeat_name(1), str(self.now).encode())

    def gone(self, seconds: float = 60) -> Gone:
        return silent(self._store, seconds, clock=lambda: self.now, sleep=self.sleep)


def opened(store: Store, gone: Gone) -> Open:
    Journal(store).open_attempt("local", "1", ["here"], gone=gone)
    entry = Journal(store).entries()[-1]
    assert isinstance(entry, Open)
    return entry


def test_an_attempt_whose_heartbeat_stays_as_it_is_is_taken_over(store: Store) -> None:
    store.write(heartbeat_name(1), b"7")
    entry = opened(store, Observer(store, beats=False).gone())
    assert (entry.attempt, entry.took_over) == (2, "its heartbeat did not change for 60 s")


def test_one_that_never_beat_is_taken_over_too(store: Store) -> None:
    assert opened(store, Observer(store, beats=False).gone()).attempt == 2


def test_one_that_beats_owns_the_run(store: Store) -> None:
    observer = Observer(store, beats=True)
    with pytest.raises(RunOwned, match="attempt 1 "):
        opened(store, observer.gone())
    assert observer.now < 1e9 + 60, "one change is enough"


def test_one_that_closes_meanwhile_is_followed_without_a_takeover(store: Store) -> None:
    def closes(owner: Open) -> str | None:
        Journal(store).append(Close(attempt=1, cause="done", exit_code=0))
        return None

    entry = opened(store, closes)
    assert entry.attempt == 2


def test_one_that_is_opened_meanwhile_owns_the_run(store: Store) -> None:
    def another(owner: Open) -> str | None:
        Journal(store).open_attempt("slurm", "4712", ["n2"], gone=ordered)
        return "said so"

    with pytest.raises(RunOwned, match=r"attempt 2 \(slurm job 4712 on n2\)"):
        opened(store, another)


def test_the_users_word_is_enough(store: Store) -> None:
    assert opened(store, any_of(lambda owner: None, ordered)).took_over == "--takeover"


def test_a_run_that_is_free_is_not_asked_about(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "free"))
    assert opened(store, lambda owner: pytest.fail("asked")).took_over is None


def test_it_beats_until_it_ends(store: Store) -> None:
    seen: set[bytes] = set()
    with Heartbeat(store, 1, tell=pytest.fail, period=0.01):
        while len(seen) < 3:
            if store.exists(heartbeat_name(1)):
                seen.add(store.read(heartbeat_name(1)))
    last = store.read(heartbeat_name(1))
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    assert store.read(heartbeat_name(1)) == last


def test_a_store_that_takes_no_beat_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "heartbeat").write_text("a file where a folder is to be")
    told: list[str] = []
    said = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        said.set()

    heartbeat = Heartbeat(Store.open(str(tmp_path)), 1, tell, period=0.001)
    with heartbeat:
        assert said.wait(60)
        while heartbeat.missed < 5:
            pass
    (line,) = told
    assert "no sign of life: " in line

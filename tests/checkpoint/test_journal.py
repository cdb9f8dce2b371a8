from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.entries import Close, Commit, Entry, Lost, Open
from launcher.checkpoint.journal import Journal
from launcher.errors import LauncherError, RunOwned
from launcher.storage.store import AlreadyExists, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "run"))


def takeover(attempt: int) -> Open:
    return Open(attempt=attempt, backend="slurm", job_id="77", hosts=("other",))


def test_an_attempt_opens_commits_and_closes(store: Store) -> None:
    attempt = Journal(store).open_attempt("local", "4711", ["here", "there"])
    commit = attempt.commit(20, "checkpoints/20", "digest")
    close = attempt.close("done", 0)

    opened, *others = Journal(store).entries()
    assert isinstance(opened, Open)
    assert (opened.attempt, opened.nonce, opened.hosts) == (1, attempt.nonce, ("here", "there"))
    assert others == [commit, close]
    assert store.list() == [f"journal/0000000{number}.json" for number in (1, 2, 3)]


def test_attempts_are_counted(store: Store) -> None:
    for number in (1, 2, 3):
        attempt = Journal(store).open_attempt("local", "1", ["here"])
        assert attempt.number == number
        attempt.close("done", 0)


def test_an_attempt_that_never_closed_owns_the_run(store: Store) -> None:
    Journal(store).open_attempt("slurm", "4711", ["n1", "n2"])
    with pytest.raises(RunOwned, match=r"attempt 1 \(slurm job 4711 on n1, n2\): wait until .*--run-id$"):
        Journal(store).open_attempt("local", "1", ["here"])
    assert len(Journal(store).entries()) == 1


def test_a_later_attempt_fences_an_earlier_one_for_good(store: Store) -> None:
    attempt = Journal(store).open_attempt("local", "1", ["here"])
    Journal(store).append(takeover(2))
    for _ in range(2):
        with pytest.raises(RunOwned, match=r"attempt 2 \(slurm job 77 on other\)"):
            attempt.commit(20, "checkpoints/20", "digest")
    Journal(store).append(Close(attempt=2, cause="done", exit_code=0))
    with pytest.raises(RunOwned):
        attempt.close("done", 0)
    assert len(Journal(store).entries()) == 3


@dataclass(frozen=True, slots=True)
class Interrupting(Store):
    """Lets another writer in between the listing and the next creation."""

    rivals: list[Entry] = field(default_factory=list)

    def create(self, name: str, data: bytes) -> None:
        if self.rivals:
            Journal(Store(self.fs, self.root)).append(self.rivals.pop())
        Store.create(self, name, data)


def test_a_takeover_between_listing_and_writing_is_seen(store: Store) -> None:
    attempt = Journal(Interrupting(store.fs, store.root, [])).open_attempt("local", "1", ["here"])
    rival = takeover(2)
    overtaken = Journal(Interrupting(store.fs, store.root, [rival]))
    with pytest.raises(RunOwned, match="attempt 2"):
        overtaken.append(Commit(attempt=attempt.number, step=1, checkpoint="c", manifest_digest="d"))
    assert Journal(store).entries()[1:] == [rival]


def test_of_two_that_open_the_same_attempt_one_owns_the_run(store: Store) -> None:
    with pytest.raises(RunOwned, match="attempt 1 "):
        Journal(Interrupting(store.fs, store.root, [takeover(1)])).open_attempt("local", "1", ["here"])
    assert [entry.attempt for entry in Journal(store).entries()] == [1]


def test_an_entry_of_the_same_attempt_in_between_moves_ours_on(store: Store) -> None:
    other = Commit(attempt=1, step=1, checkpoint="c", manifest_digest="d")
    ours = Close(attempt=1, cause="done", exit_code=0)
    assert Journal(Interrupting(store.fs, store.root, [other])).append(ours) == 2
    assert Journal(store).entries() == [other, ours]


@dataclass(frozen=True, slots=True)
class Deaf(Store):
    """Writes, and then answers with an error as if it had not."""

    error: Exception = field(default_factory=ConnectionError)

    def create(self, name: str, data: bytes) -> None:
        Store.create(self, name, data)
        raise self.error


def test_an_entry_whose_answer_was_lost_is_found_again(store: Store) -> None:
    attempt = Journal(Deaf(store.fs, store.root, AlreadyExists("as s3fs says it"))).open_attempt("local", "1", ["here"])
    commit = attempt.commit(20, "checkpoints/20", "digest")
    assert len(Journal(store).entries()) == 2
    assert Journal(store).entries()[1] == commit


def test_an_entry_given_again_after_an_error_is_written_once(store: Store) -> None:
    close = Close(attempt=1, cause="done", exit_code=0)
    with pytest.raises(ConnectionError):
        Journal(Deaf(store.fs, store.root)).append(close)
    assert Journal(store).append(close) == 1
    assert Journal(store).entries() == [close]


def commits(journal: Journal, number: int) -> None:
    attempt = journal.open_attempt("local", "1", ["here"])
    for step in range(number):
        attempt.commit(step, "c", "d")


def spoil(store: Store, number: int, content: bytes | None) -> str:
    path = store.local_path(f"journal/{number:08d}.json")
    assert path is not None
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(("content", "why"), [(None, "is missing"), (b'{"kind": "co', "is damaged (")])
def test_an_entry_that_is_lost_keeps_its_place_and_the_others_are_read(
    store: Store, content: bytes | None, why: str
) -> None:
    commits(Journal(store), 3)
    place = spoil(store, 3, content)
    found = Journal(store).entries()
    assert [type(each) for each in found] == [Open, Commit, Lost, Commit]
    lost = found[2]
    assert isinstance(lost, Lost)
    assert lost.place == place
    assert lost.why.startswith(why)


def test_a_run_is_not_opened_past_a_lost_entry_that_may_be_another_attempts_but_by_the_users_word(store: Store) -> None:
    commits(Journal(store), 3)
    Journal(store).append(Close(attempt=1, cause="failed", exit_code=1))
    place = spoil(store, 4, b"")
    with pytest.raises(LauncherError, match=r"journal/00000004\.json is damaged .*: restore it; or, .*--takeover$"):
        Journal(store).open_attempt("local", "2", ["here"])
    assert len(Journal(store).entries()) == 5
    attempt = Journal(store).open_attempt("local", "2", ["here"], over_lost=True)
    assert attempt.number == 3, "the lost entry may have opened the second"
    attempt.commit(9, "c", "d")
    attempt.close("done", 0)
    assert Journal(store).open_attempt("local", "3", ["here"]).number == 4, "what lies before an attempt is settled"
    assert Path(place).read_bytes() == b""


def test_a_writer_goes_on_behind_a_lost_entry(store: Store) -> None:
    attempt = Journal(store).open_attempt("local", "1", ["here"])
    store.create("journal/00000002.json", b"not whole")
    attempt.commit(1, "c", "d")
    assert [type(each) for each in Journal(store).entries()] == [Open, Lost, Commit]


@dataclass(frozen=True, slots=True)
class Flipping(Store):
    """Gives every answer but each third with another bit flipped, as a bad link may."""

    answers: list[int] = field(default_factory=list)

    def read(self, name: str) -> bytes:
        data = bytearray(Store.read(self, name))
        self.answers.append(len(self.answers))
        if len(self.answers) % 3:
            data[len(self.answers) % 50] ^= 1
        return bytes(data)


def test_a_takeover_that_is_damaged_on_its_way_fences_all_the_same(store: Store) -> None:
    zombie = Journal(Flipping(store.fs, store.root)).open_attempt("local", "1", ["here"])
    Journal(store).append(takeover(2))
    with pytest.raises(RunOwned, match="owned by attempt 2"):
        zombie.commit(1, "c", "d")
    assert [type(each) for each in Journal(store).entries()] == [Open, Open]


def test_a_takeover_whose_entry_is_lost_is_known_by_what_it_wrote_since(store: Store) -> None:
    zombie = Journal(store).open_attempt("local", "1", ["here"])
    Journal(store).append(takeover(2))
    Journal(store).append(Commit(attempt=2, step=5, checkpoint="c", manifest_digest="d"))
    spoil(store, 2, b"not whole")
    with pytest.raises(RunOwned, match=r"attempt 2 of .* has written since"):
        zombie.commit(1, "c", "d")


def test_files_that_are_no_entries_are_passed_over(store: Store) -> None:
    store.create("journal/notes.txt", b"by hand")
    store.create("journal/00000009.json.orig", b"")
    assert Journal(store).entries() == []


actions = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["open", "commit", "close"])), max_size=25)


@given(actions)
def test_whatever_three_writers_do_the_log_is_dense_and_fenced(actions: list[tuple[int, str]]) -> None:
    store = Store.open(f"memory://{uuid4()}")
    journals = [Journal(store) for _ in range(3)]
    own_attempt = [0, 0, 0]
    accepted: list[Entry] = []
    for writer, action in actions:
        newest = max((entry.attempt for entry in accepted), default=0)
        entry: Entry
        if action == "open":
            entry = takeover(newest + 1)
            own_attempt[writer] = newest + 1
        elif action == "commit":
            entry = Commit(attempt=own_attempt[writer], step=1, checkpoint="c", manifest_digest="d")
        else:
            entry = Close(attempt=own_attempt[writer], cause="done", exit_code=0)
        closed = {each.attempt for each in accepted if isinstance(each, Close)}
        if entry.attempt < newest or entry.attempt in closed:
            with pytest.raises(RunOwned):
                journals[writer].append(entry)
        else:
            accepted.append(entry)
            assert journals[writer].append(entry) == len(accepted)
    assert all(journal.entries() == accepted for journal in [*journals, Journal(store)])

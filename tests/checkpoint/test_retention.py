from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.entries import Commit, Retire
from launcher.checkpoint.heartbeat import ordered
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.restore import newest_valid
from launcher.checkpoint.retention import Keep, collect, prune, retirable
from launcher.errors import RunOwned
from launcher.storage.retry import Retry
from launcher.storage.s3 import S3Object
from launcher.storage.store import Store
from launcher.storage.unfinished import unfinished
from tests.checkpoint.saving import destination, open_attempt, save, savers
from tests.faults.s3 import KEYS, new_bucket, s3_server


def commit(step: int, metric: float | None = None) -> Commit:
    return Commit(attempt=1, step=step, checkpoint=f"checkpoints/{step}", manifest_digest="d", metric=metric)


def gone(commits: list[Commit], keep: Keep, verified: str) -> list[int]:
    return [each.step for each in retirable(commits, keep, verified)]


def test_the_newest_stay() -> None:
    commits = [commit(step) for step in (1, 2, 3, 4)]
    assert gone(commits, Keep(newest=2), "checkpoints/4") == [1, 2]
    assert gone(commits, Keep(newest=9), "checkpoints/4") == []


def test_the_newest_one_that_is_known_to_be_whole_stays() -> None:
    commits = [commit(step) for step in (1, 2, 3, 4)]
    assert gone(commits, Keep(newest=1), "checkpoints/2") == [1, 3]


def test_every_so_many_steps_one_stays() -> None:
    commits = [commit(step) for step in (5, 10, 15, 20, 25)]
    assert gone(commits, Keep(newest=1, every_steps=10), "checkpoints/25") == [5, 15]


def test_the_best_stay_and_of_equal_ones_the_newer() -> None:
    commits = [commit(1, 0.5), commit(2, 0.2), commit(3, 0.2), commit(4), commit(5, 0.9)]
    assert gone(commits, Keep(newest=1, best=1), "checkpoints/5") == [1, 2, 4]
    assert gone(commits, Keep(newest=1, best=2), "checkpoints/5") == [1, 4]
    assert gone(commits, Keep(newest=1, best=2, greater_is_better=True), "checkpoints/5") == [2, 3, 4]


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=20),
    st.builds(Keep, newest=st.integers(1, 4), every_steps=st.none() | st.integers(1, 5), best=st.integers(0, 3)),
    st.data(),
)
def test_what_is_asked_for_stays_whatever_else_goes(
    metrics: list[float | None], keep: Keep, data: st.DataObject
) -> None:
    commits = [commit(step, metric) for step, metric in enumerate(metrics, start=1)]
    verified = data.draw(st.sampled_from(commits)).checkpoint
    left = [each for each in commits if each not in retirable(commits, keep, verified)]
    assert commits[-keep.newest :] == left[-keep.newest :] or len(commits) < keep.newest
    assert verified in {each.checkpoint for each in left}
    measured = [each.metric for each in commits if each.metric is not None]
    if measured and keep.best:
        assert min(measured) in {each.metric for each in left}
    assert retirable(left, keep, verified) == [], "a second time changes nothing"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(f"{tmp_path}/run")


def test_the_entry_comes_before_the_bytes_go(store: Store) -> None:
    attempt = open_attempt(store)
    with savers(destination(store, attempt)) as ranks:
        for step in (1, 2, 3):
            save(ranks, 2, step)
    folders = [entry.checkpoint for entry in Journal(store).entries() if isinstance(entry, Commit)]

    class Watching(Store):
        def remove(self, name: str) -> None:
            assert any(isinstance(entry, Retire) and entry.checkpoint == name for entry in Journal(store).entries())
            Store.remove(self, name)

    assert prune(attempt, Watching(store.fs, store.root), Keep(newest=1), folders[-1]) == folders[:-1]
    assert {name.split("/")[1] for name in store.list("checkpoints")} == {folders[-1].split("/")[1]}


def test_an_attempt_that_lost_the_run_removes_nothing(store: Store) -> None:
    attempt = open_attempt(store)
    with savers(destination(store, attempt)) as ranks:
        for step in (1, 2):
            save(ranks, 2, step)
    before = store.list("checkpoints")
    Journal(store).open_attempt("local", "2", ["there"], gone=ordered)
    with pytest.raises(RunOwned):
        prune(attempt, store, Keep(newest=1), "")
    assert store.list("checkpoints") == before


def test_what_earlier_attempts_left_behind_is_collected(store: Store, tmp_path: Path) -> None:
    first = open_attempt(store)
    with savers(destination(store, first)) as ranks:
        for step in (1, 2):
            save(ranks, 2, step)
    names = [entry.checkpoint for entry in Journal(store).entries() if isinstance(entry, Commit)]
    first.retire(names[0])  # and was killed before the bytes went
    store.create(f"checkpoints/00000003-1-{first.nonce[:8]}/rank-0.safetensors", b"never committed")
    store.create("checkpoints/notes/by-hand.txt", b"")
    second = Journal(store).open_attempt("local", "2", ["there"], gone=ordered)
    store.create(f"checkpoints/00000004-2-{second.nonce[:8]}/rank-0.safetensors", b"on its way")

    assert collect(second, store, Retry()) == [names[0], f"checkpoints/00000003-1-{first.nonce[:8]}"]
    left = {name.split("/")[1] for name in store.list("checkpoints")}
    assert left == {names[1].split("/")[1], f"00000004-2-{second.nonce[:8]}", "notes"}
    found = newest_valid(store, Journal(store), print, tmp_path)
    assert found is not None
    assert found.commit.step == 2


def test_parts_of_uploads_that_nobody_finishes_are_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = Store.open(f"s3://{new_bucket(endpoint)}/run")
        open_attempt(store)
        second = Journal(store).open_attempt("local", "2", ["there"], gone=ordered)
        names = [f"checkpoints/00000001-{attempt}-abcdefgh/rank-0.safetensors" for attempt in (1, 2)]
        for name in names:
            S3Object(store, name, Retry()).call("create_multipart_upload")
        assert collect(second, store, Retry()) == names[:1]
        assert set(unfinished(store, "checkpoints", Retry())) == {names[1]}

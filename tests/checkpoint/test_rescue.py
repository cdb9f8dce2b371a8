"""What can be committed no more goes to the machine's own disk, and the next attempt there commits it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.outcome import Rescued, Saved
from launcher.checkpoint.rescue import recover, rescue_folder
from launcher.checkpoint.restore import newest_valid
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from tests.checkpoint.saving import (
    SLOTS,
    begin,
    destination,
    open_attempt,
    outcomes,
    save,
    savers,
    share,
    state,
    whole,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "run"))


@pytest.fixture
def folder(tmp_path: Path, store: Store) -> Path:
    return rescue_folder(tmp_path / "cache", store.location)


def rescued(store: Store, folder: Path, steps: tuple[int, ...] = (7,), commits: tuple[int, ...] = ()) -> Attempt:
    """An attempt that committed some steps, rescued others, and closed."""
    attempt = open_attempt(store)
    where = destination(store, attempt, rescue=str(folder))
    with savers(where) as ranks:
        for step in commits:
            assert all(isinstance(each, Saved) for each in save(ranks, 2, step))
        for step in steps:
            for number, saver in enumerate(ranks):
                saver.save(step, share(number, 2, step), state(step), 0.5, rescue=True)
            assert {type(each) for each in outcomes(ranks)} == {Rescued}
    attempt.close("preemption", 75, "preemption", then="again")
    return attempt


def commits_of(store: Store) -> list[Commit]:
    return [each for each in Journal(store).entries() if isinstance(each, Commit)]


def test_a_rescued_state_is_committed_by_the_next_attempt_bit_for_bit_and_let_go(store, folder, tmp_path):
    rescued(store, folder)
    assert commits_of(store) == []
    assert store.list("checkpoints") == []
    second, told = open_attempt(store), []
    found = recover(second, store, folder, told.append, Retry())
    assert (found.attempt, found.step, found.metric) == (2, 7, 0.5)
    assert [line.partition(", which")[0] for line in told] == ["committed step 7"]
    assert list(folder.iterdir()) == []
    checkpoint = newest_valid(store, Journal(store), told.append, tmp_path)
    assert checkpoint.state == state(7)
    for slot in SLOTS:
        wanted = whole(slot, 7)
        assert torch.equal(checkpoint.read(slot, 0, len(wanted)), wanted)


def test_of_a_store_that_cannot_be_reached_a_snapshot_in_flight_is_rescued(store, folder, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    attempt = open_attempt(store)
    where = replace(destination(store, attempt, rescue=str(folder)), run_url="s3://nowhere/run")
    with savers(where) as ranks:
        begin(ranks, 2, 3)
        assert [each.busy for each in ranks] == [True, True]
        for saver in ranks:
            saver.rescue()
            saver.rescue()
        found = outcomes(ranks)
        assert {type(each) for each in found} == {Rescued}
        assert [each.busy for each in ranks] == [False, False]
    attempt.close("preemption", 75, "preemption", then="again")
    assert recover(open_attempt(store), store, folder, print, Retry()).step == 3


def test_what_is_committed_is_not_rescued_again(store, folder):
    rescued(store, folder, steps=(7,), commits=(3, 7))
    told = []
    assert recover(open_attempt(store), store, folder, told.append, Retry()) is None
    assert [line.partition("let go: ")[2] for line in told] == ["a commit is as new"]
    assert list(folder.iterdir()) == []


def test_where_another_attempt_went_on_without_it_it_is_let_go(store, folder):
    rescued(store, folder)
    second = open_attempt(store)
    with savers(destination(store, second)) as ranks:
        save(ranks, 2, 2)
    second.close("preemption", 75)
    told = []
    assert recover(open_attempt(store), store, folder, told.append, Retry()) is None
    assert [line.partition("let go: ")[2] for line in told] == ["attempt 2 went on without it"]


@pytest.mark.parametrize("harm", ["flip", "cut", "no receipt", "no word"])
def test_what_is_damaged_or_not_finished_is_never_committed(store, folder, harm):
    rescued(store, folder)
    (kept,) = folder.iterdir()
    path = kept / "rank-1.safetensors"
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[-3] ^= 1
        path.write_bytes(content)
    elif harm == "cut":
        path.write_bytes(content[:-1])
    else:
        (kept / ("rank-1.json" if harm == "no receipt" else "rescue.json")).unlink()
    told = []
    assert recover(open_attempt(store), store, folder, told.append, Retry()) is None
    assert len(told) == 1
    assert commits_of(store) == []
    assert list(folder.iterdir()) == []


def test_a_rescue_of_another_run_of_the_same_name_is_in_another_folder(tmp_path):
    one, other = (rescue_folder(tmp_path, f"s3://{bucket}/runs/mine") for bucket in ("a", "b"))
    assert one != other
    assert one.name.startswith("mine-")


def test_a_disk_that_takes_nothing_costs_only_the_rescue(store, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    attempt = open_attempt(store)
    with savers(destination(store, attempt, rescue=str(tmp_path / "file" / "rescue"))) as ranks:
        for number, saver in enumerate(ranks):
            saver.save(5, share(number, 2, 5), state(5), None, rescue=True)
        first, _ = outcomes(ranks)
        assert "is a file, not a folder" in first.why

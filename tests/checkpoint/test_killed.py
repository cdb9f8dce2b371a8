"""Whole attempts killed at seeded moments, one after the other, until the run is done."""

import itertools
import multiprocessing
import random
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil
import pytest
import torch

from launcher.checkpoint.entries import Commit, Open
from launcher.checkpoint.heartbeat import ordered
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.outcome import Saved
from launcher.checkpoint.restore import newest_valid
from launcher.checkpoint.retention import Keep, collect
from launcher.storage.local import TEMPORARY
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from tests.checkpoint.saving import SLOTS, destination, save, savers, state, whole

LAST_STEPS = 5


def attempt(url: str, folder: str, begun: Event, steps: int | None) -> None:
    """Take the run over, go on from its newest commit, and save after so many steps, or after each until killed."""
    torch.set_num_threads(1)
    store = Store.open(url)
    own = Journal(store).open_attempt("local", "1", ["here"], gone=ordered)
    told: list[str] = []
    found = newest_valid(store, own.journal, told.append, Path(folder))
    assert told == [], "what was committed is whole"
    first = 1
    if found is not None:
        assert found.state == state(found.commit.step)
        for slot in SLOTS:
            assert torch.equal(found.read(slot, 0, found.total(slot)), whole(slot, found.commit.step))
        first = found.commit.step + 1
    collect(own, store, Retry())
    with savers(destination(store, own, keep=Keep(newest=2))) as ranks:
        begun.set()
        for step in itertools.islice(itertools.count(first), steps):
            assert isinstance(save(ranks, 2, step)[0], Saved)
    own.close("done", 0)


@pytest.mark.parametrize("kills", [4, pytest.param(8, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_time_and_again_goes_on_from_its_last_commit(tmp_path: Path, kills: int) -> None:
    url, context, moments = str(tmp_path / "run"), multiprocessing.get_context("spawn"), random.Random(11)
    for number in range(kills + 1):
        begun = context.Event()
        steps = None if number < kills else LAST_STEPS
        process = context.Process(target=attempt, args=(url, str(tmp_path / "fetched"), begun, steps))
        process.start()
        assert begun.wait(120)
        children = psutil.Process(process.pid).children(recursive=True)
        if number < kills:
            time.sleep(moments.uniform(0, 0.6))
            process.kill()
        process.join(120)
        assert process.exitcode == (-9 if number < kills else 0)
        assert psutil.wait_procs(children, timeout=60)[1] == [], "the uploader ends with it"

    store = Store.open(url)
    entries = Journal(store).entries()
    commits = [entry for entry in entries if isinstance(entry, Commit)]
    steps_done = [commit.step for commit in commits]
    assert steps_done == list(range(1, len(commits) + 1)), "no step is lost, and none done twice"
    assert sum(isinstance(entry, Open) for entry in entries) == kills + 1
    folders = {name.rpartition("/")[0] for name in store.list("checkpoints")}
    left = {str(path) for path in Path(url).rglob(f"{TEMPORARY}*")}
    assert folders >= {commit.checkpoint for commit in commits[-2:]}
    assert len(folders) == 2, left

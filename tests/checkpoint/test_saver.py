import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
import torch

from launcher.checkpoint.contents import MANIFEST
from launcher.checkpoint.entries import Commit, Open
from launcher.checkpoint.heartbeat import ordered
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.outcome import Failed, Saved
from launcher.checkpoint.restore import newest_valid
from launcher.checkpoint.retention import Keep
from launcher.checkpoint.saver import Saver
from launcher.checkpoint.snapshot import Snapshot
from launcher.checkpoint.wire import address_of, receive, send
from launcher.errors import LauncherError, RunOwned
from launcher.storage.local import TEMPORARY
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


def committed(store: Store) -> list[int]:
    return [entry.step for entry in Journal(store).entries() if isinstance(entry, Commit)]


def uploaders() -> list[psutil.Process]:
    """Those that are alive."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # which a process that has ended counts as
            if "launcher.checkpoint.uploader" in child.cmdline():
                found.append(child)
    return found


def test_what_all_ranks_saved_is_committed_in_one_folder(store: Store) -> None:
    attempt = open_attempt(store)
    with savers(destination(store, attempt, 3)) as ranks:
        outcomes = save(ranks, 3, 7, metric=0.25)
        size = sum(4 * sum(each.values.numel() for each in share(rank, 3, 7)) for rank in range(3))
    assert [outcome.step for outcome in outcomes if isinstance(outcome, Saved)] == [7] * 3
    assert all(isinstance(outcome, Saved) and outcome.size > size for outcome in outcomes)
    commit = Journal(store).entries()[-1]
    assert isinstance(commit, Commit)
    assert (commit.step, commit.metric, commit.checkpoint) == (7, 0.25, f"checkpoints/00000007-1-{attempt.nonce[:8]}")
    ranks_files = [f"rank-{rank}.{kind}" for rank in range(3) for kind in ("json", "safetensors")]
    assert store.list("checkpoints") == [f"{commit.checkpoint}/{name}" for name in [MANIFEST, *ranks_files]]


def test_nothing_is_left_of_it_but_the_checkpoint(store: Store, tmp_path: Path) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    with savers(destination(store, open_attempt(store))) as ranks:
        save(ranks, 2, 1)
        (process,) = uploaders()
    assert not process.is_running()
    assert len(os.listdir("/proc/self/fd")) == descriptors
    assert threading.active_count() == threads
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


def test_the_loop_goes_on_while_a_snapshot_is_on_its_way(store: Store) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        assert not any(saver.busy for saver in ranks)
        begin(ranks, 2, 1)
        assert all(saver.busy for saver in ranks)
        assert [saver.poll(60) is not None for saver in ranks] == [True, True]
        assert not any(saver.busy for saver in ranks)


def test_a_state_that_is_not_whole_is_not_committed_and_the_next_one_is(store: Store) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        ranks[0].save(1, share(0, 2, 1), state(1), None)
        ranks[1].save(1, share(1, 2, 1)[1:], state(1), None)
        told = Failed(1, "embed, weight: elements 20000 to 40001 were not written")
        assert outcomes(ranks) == [told, told]
        assert committed(store) == []
        assert isinstance(save(ranks, 2, 2)[0], Saved)
    assert committed(store) == [2]


def test_the_uploader_starts_without_torch() -> None:
    code = "import sys, launcher.checkpoint.uploader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_two_nodes_store_their_own_ranks_and_the_first_commits(store: Store) -> None:
    attempt = open_attempt(store)
    first = destination(store, attempt, 3, node=0, local_world=2)
    second = destination(store, attempt, 3, node=1, local_world=1)
    with savers(first) as ranks, savers(second, first=2) as others:
        begin(ranks, 3, 4)
        assert committed(store) == []
        begin(others, 3, 4, first=2)
        assert all(isinstance(saver.poll(60), Saved) for saver in [*others, *ranks])
    assert committed(store) == [4]


def test_a_node_that_never_reports_is_named_after_the_deadline(store: Store) -> None:
    where = destination(store, open_attempt(store), 3, local_world=2, deadline_s=0.2)
    with savers(where) as ranks:
        begin(ranks, 3, 4)
        outcome = ranks[0].poll(60)
    assert isinstance(outcome, Failed)
    assert outcome.why.startswith("step 4: no word of ranks 2 within")
    assert committed(store) == []


def test_an_attempt_that_lost_the_run_is_told_by_whom(store: Store) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        assert isinstance(save(ranks, 2, 1)[0], Saved)
        Journal(store).open_attempt("slurm", "77", ["other"], gone=ordered)
        begin(ranks, 2, 2)
        for saver in ranks:
            with pytest.raises(RunOwned, match=r"attempt 2 \(slurm job 77 on other\)"):
                saver.poll(60)
    assert committed(store) == [1]
    assert isinstance(Journal(store).entries()[-1], Open)


def test_an_uploader_killed_at_any_moment_loses_nothing(store: Store, tmp_path: Path) -> None:
    moments = random.Random(5)
    with savers(destination(store, open_attempt(store))) as ranks:
        save(ranks, 2, 1)
        for step in range(2, 14):
            begin(ranks, 2, step)
            time.sleep(moments.uniform(0, 0.12))
            for process in uploaders():  # none where it was killed after it had told all, and nobody has looked since
                process.kill()
            assert [type(outcome) for outcome in outcomes(ranks)] == [Saved, Saved], step
    assert committed(store) == list(range(1, 14)), "each once"
    told: list[str] = []
    found = newest_valid(store, Journal(store), told.append, tmp_path)
    assert found is not None
    assert found.commit.step == 13
    assert torch.equal(found.read(SLOTS[0], 0, 40_001), whole(SLOTS[0], 13))
    assert told == []


def test_an_uploader_killed_while_nothing_is_on_its_way_is_replaced(store: Store) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        save(ranks, 2, 1)
        uploaders()[0].kill()
        assert isinstance(save(ranks, 2, 2)[0], Saved)


def test_a_rank_that_was_not_told_hears_it_from_the_next_uploader(store: Store) -> None:
    where = destination(store, open_attempt(store))
    snapshot = Snapshot()
    layout = snapshot.take(share(1, 2, 1))

    def say(connection: socket.socket) -> None:
        """As rank 1 does, by hand."""
        connection.connect(address_of(where.nonce, 0))
        send(connection, {"rank": 1, "told": None}, [snapshot.descriptor])
        send(connection, {"step": 1, "size": layout.size, "state": state(1), "metric": None, "rescue": False})

    with closing(snapshot), closing(Saver(where, 0, starts=True)) as saver:
        with socket.socket(socket.AF_UNIX) as connection:
            say(connection)
            saver.save(1, share(0, 2, 1), state(1), None)
            assert isinstance(saver.poll(60), Saved)
            for process in uploaders():
                process.kill()
        with socket.socket(socket.AF_UNIX) as connection:
            say(connection)
            answer, _ = receive(connection)
    assert answer["step"] == 1
    assert "saved" in answer
    assert committed(store) == [1]


def test_uploaders_that_die_one_after_the_other_end_the_attempt(store: Store) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        ranks[0].save(1, share(0, 2, 1), state(1), None)  # rank 1 never does, so it stays on its way

        def kill_for_a_minute() -> None:
            end = time.monotonic() + 60
            while time.monotonic() < end:
                for process in uploaders():
                    process.kill()
                ranks[0].poll(0.05)

        with pytest.raises(LauncherError, match=r"3 uploaders of rank 0 ended over one checkpoint \(exit code -9\)"):
            kill_for_a_minute()


def test_it_ends_with_the_process_that_started_it(store: Store) -> None:
    where = destination(store, open_attempt(store), 1)
    child = os.fork()
    if child == 0:
        Saver(where, 0, starts=True)
        os.write(1, b"")
        signal.pause()
    try:
        parent = psutil.Process(child)
        end = time.monotonic() + 60
        while not parent.children() and time.monotonic() < end:
            time.sleep(0.01)
        (process,) = parent.children()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    process.wait(timeout=60)


def test_the_newest_checkpoint_is_kept_on_the_nodes_own_disk(store: Store, tmp_path: Path) -> None:
    staging = tmp_path / "disk"
    with savers(destination(store, open_attempt(store), staging=str(staging))) as ranks:
        for step in (1, 2):
            save(ranks, 2, step)
    (folder,) = staging.iterdir()
    assert folder.name.startswith("00000002-")
    for name in ("rank-0.safetensors", "rank-1.safetensors"):
        assert (folder / name).read_bytes() == store.read(f"checkpoints/{folder.name}/{name}")


def test_a_disk_that_cannot_keep_it_costs_only_that(store: Store, tmp_path: Path) -> None:
    (tmp_path / "disk").write_text("a file where a folder is to be")
    with savers(destination(store, open_attempt(store), staging=str(tmp_path / "disk"))) as ranks:
        outcome = save(ranks, 2, 1)[0]
    assert isinstance(outcome, Saved)
    (note,) = outcome.notes
    assert "not kept on this node's own disk" in note
    assert committed(store) == [1]


def test_old_checkpoints_go_when_a_new_one_is_there(store: Store) -> None:
    with savers(destination(store, open_attempt(store), keep=Keep(newest=2, every_steps=3))) as ranks:
        for step in range(1, 7):
            save(ranks, 2, step)
    folders = {name.split("/")[1][:8] for name in store.list("checkpoints")}
    assert folders == {"00000003", "00000005", "00000006"}

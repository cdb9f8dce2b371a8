"""Disks that are full: a tmpfs of a few hundred kilobytes, which only root may mount."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.outcome import Failed, Saved
from launcher.checkpoint.restore import newest_valid
from launcher.storage.store import Store
from tests.checkpoint.saving import destination, open_attempt, save, savers

KILOBYTES = 700
"""Room for one checkpoint of the tests, and not for two."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def committed(store: Store) -> list[int]:
    return [entry.step for entry in Journal(store).entries() if isinstance(entry, Commit)]


def test_a_full_disk_for_staging_costs_only_the_copy_kept_there(tmp_path: Path, disk: Path) -> None:
    store = Store.open(str(tmp_path / "run"))
    (disk / "others").write_bytes(b"x" * (KILOBYTES - 100) * 1000)
    with savers(destination(store, open_attempt(store), staging=str(disk / "staging"))) as ranks:
        outcome = save(ranks, 2, 1)[0]
        assert isinstance(outcome, Saved)
        (note,) = outcome.notes
        assert "not kept on this node's own disk: [Errno 28] No space left on device" in note
        assert list((disk / "staging").iterdir()) == [], "nothing is left of what did not fit"
        (disk / "others").unlink()
        again = save(ranks, 2, 2)[0]
    assert isinstance(again, Saved)
    assert again.notes == ()
    assert committed(store) == [1, 2]


def test_a_full_store_fails_the_save_and_the_next_one_is_committed_once_there_is_room(
    tmp_path: Path, disk: Path
) -> None:
    store = Store.open(str(disk / "run"))
    with savers(destination(store, open_attempt(store), deadline_s=0.5)) as ranks:
        assert isinstance(save(ranks, 2, 1)[0], Saved)
        failed = save(ranks, 2, 2)
        for outcome in failed:
            assert isinstance(outcome, Failed)
            assert "No space left on device" in outcome.why
            assert "\n" not in outcome.why
        assert committed(store) == [1]
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert isinstance(save(ranks, 2, 3)[0], Saved)
    told: list[str] = []
    found = newest_valid(store, Journal(store), told.append, tmp_path / "fetched")
    assert found is not None
    assert (found.commit.step, told) == (3, [])

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.checkpoint.contents import MANIFEST, Damaged
from launcher.checkpoint.entries import Commit, Retire
from launcher.checkpoint.fragment import Slot
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.restore import Checkpoint, newest_valid
from launcher.storage.store import Store
from tests.checkpoint.saving import ORIGIN, SLOTS, TRAINED, destination, open_attempt, save, savers, state, whole

WORLD = 3


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with commits after steps 10 and 20."""
    folder = tmp_path_factory.mktemp("restore") / "run"
    store = Store.open(str(folder))
    with savers(destination(store, open_attempt(store), WORLD)) as ranks:
        for step in (10, 20):
            save(ranks, WORLD, step)
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(saved, tmp_path / "run")
    return tmp_path / "run"


def restore(run: Path, told: list[str] | None = None) -> Checkpoint | None:
    store = Store.open(str(run))
    lines = [] if told is None else told
    return newest_valid(store, Journal(store), lines.append, run.parent / "fetched")


def newest(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


def test_the_newest_commit_is_read_with_its_state(run: Path) -> None:
    told: list[str] = []
    found = restore(run, told)
    assert found is not None
    assert (found.commit.step, found.manifest.world, found.manifest.origin) == (20, WORLD, ORIGIN)
    assert found.state == state(20)
    assert told == []
    for slot in SLOTS:
        assert found.total(slot) == TRAINED[slot.parameter]
        assert torch.equal(found.read(slot, 0, found.total(slot)), whole(slot, 20))
    assert not (run.parent / "fetched").exists(), "files on a disk are read where they are"


@given(st.data())
@settings(max_examples=50)
def test_any_slice_is_read_whichever_ranks_wrote_it(saved: Path, data: st.DataObject) -> None:
    found = restore(saved)
    assert found is not None
    slot = data.draw(st.sampled_from(SLOTS))
    first = data.draw(st.integers(0, TRAINED[slot.parameter]))
    last = data.draw(st.integers(first, TRAINED[slot.parameter]))
    assert torch.equal(found.read(slot, first, last - first), whole(slot, 20)[first:last])


def test_what_is_not_there_is_refused(saved: Path) -> None:
    found = restore(saved)
    assert found is not None
    for slot, first, length in ((Slot("head", "momentum"), 0, 1), (Slot("head", "weight"), 0, 8)):
        with pytest.raises(Damaged, match="are asked for"):
            found.read(slot, first, length)


def test_a_run_without_commits_has_nothing_to_restore(tmp_path: Path) -> None:
    assert restore(tmp_path / "empty") is None


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"0")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("name", ["rank-0.safetensors", "rank-2.safetensors", "rank-1.json", MANIFEST])
@pytest.mark.parametrize("damage", [flip, cut, lengthen, empty, Path.unlink])
def test_whatever_is_damaged_is_named_and_walked_past(run: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(newest(run) / name)
    told: list[str] = []
    found = restore(run, told)
    assert found is not None
    assert found.commit.step == 10
    assert torch.equal(found.read(SLOTS[0], 0, 100), whole(SLOTS[0], 10)[:100])
    (line,) = told
    assert line.startswith(f"the commit after step 20 is passed over: {newest(run) / name} ")
    assert "\n" not in line


def test_a_commit_that_names_a_missing_checkpoint_is_walked_past(run: Path) -> None:
    shutil.rmtree(newest(run))
    told: list[str] = []
    found = restore(run, told)
    assert found is not None
    assert found.commit.step == 10
    assert "MANIFEST.json is missing" in told[0]


def test_nothing_is_read_where_all_are_damaged(run: Path) -> None:
    told: list[str] = []
    for folder in (run / "checkpoints").iterdir():
        flip(folder / "rank-0.safetensors")
    assert restore(run, told) is None
    assert len(told) == 2


def test_a_manifest_of_another_checkpoint_is_walked_past(run: Path) -> None:
    older = min((run / "checkpoints").iterdir())
    shutil.copy(older / MANIFEST, newest(run) / MANIFEST)
    told: list[str] = []
    found = restore(run, told)
    assert found is not None
    assert found.commit.step == 10
    assert "MANIFEST.json is of attempt 1, step 10 of run run" in told[0]


def test_a_file_that_is_no_part_is_told_and_not_read(run: Path) -> None:
    (newest(run) / "rank-3.safetensors").write_bytes(b"")
    told: list[str] = []
    found = restore(run, told)
    assert found is not None
    assert found.commit.step == 20
    assert told == [f"{newest(run)}/rank-3.safetensors is no part of the checkpoint, and is not read"]


def test_what_is_not_committed_is_never_read(run: Path) -> None:
    copy = run / "checkpoints" / newest(run).name.replace("00000020", "00000030")
    shutil.copytree(newest(run), copy)
    found = restore(run)
    assert found is not None
    assert found.commit.step == 20


def test_a_commit_of_the_model_is_no_checkpoint(run: Path) -> None:
    journal = Journal(Store.open(str(run)))
    journal.append(Commit(attempt=1, step=30, checkpoint="model", manifest_digest="d"))
    found = restore(run)
    assert found is not None
    assert found.commit.step == 20


def test_a_retired_commit_is_not_read(run: Path) -> None:
    store = Store.open(str(run))
    journal = Journal(store)
    newest_commit = journal.entries()[-1]
    assert isinstance(newest_commit, Commit)
    journal.append(Retire(attempt=1, checkpoint=newest_commit.checkpoint))
    found = restore(run)
    assert found is not None
    assert found.commit.step == 10

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from launcher.storage import local
from launcher.storage.leftovers import OLD_S, scratch_folder, sweep_files, sweep_scratch, sweep_store
from launcher.storage.store import Store

KILLED = """
import os, sys
from pathlib import Path
from launcher.storage.leftovers import scratch_folder

with scratch_folder("test", Path(sys.argv[1])) as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""
"""Makes a scratch folder, and waits."""


def aged(path: Path, seconds: float = OLD_S + 100) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def file_of(folder: Path, name: str, seconds: float = OLD_S + 100) -> Path:
    path = folder / name
    path.write_bytes(b"half")
    return aged(path, seconds)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_only_old_files_with_names_of_ours_are_removed(tmp_path: Path) -> None:
    number = uuid4().hex
    file_of(tmp_path, f".tmp-{number}")
    file_of(tmp_path, f".probe-{number}")
    kept = [
        file_of(tmp_path, f".tmp-{uuid4().hex}", seconds=OLD_S - 100),
        file_of(tmp_path, ".tmp-notes"),
        file_of(tmp_path, f".tmp-{number}.txt"),
        file_of(tmp_path, "model.safetensors"),
        tmp_path / f".tmp-{uuid4().hex}",
        tmp_path / f".probe-{uuid4().hex}",
    ]
    kept[-2].mkdir()
    aged(kept[-2])
    kept[-1].symlink_to(kept[3])
    assert sweep_files(tmp_path) == 2
    assert names(tmp_path) == {path.name for path in kept}
    assert sweep_files(tmp_path / "is-not-there") == 0


def test_another_user_s_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = file_of(tmp_path, f".tmp-{uuid4().hex}")
    someone_else = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: someone_else)
    assert sweep_files(tmp_path) == 0
    assert theirs.exists()


def test_what_a_store_writes_is_swept_where_it_writes_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path, tmp_path / "shards", tmp_path / "mine"):
        file_of(folder, f"{local.TEMPORARY}{uuid4().hex}")
    store = Store.open(str(tmp_path))
    store.create("shards/0", b"whole")
    assert sweep_store(store, "shards") == 2
    assert names(tmp_path / "shards") == {"0"}
    assert len(names(tmp_path / "mine")) == 1
    assert sweep_store(Store.open(f"memory://{uuid4()}"), "shards") == 0


def test_a_scratch_folder_goes_at_the_end_and_no_sweep_takes_it_before(tmp_path: Path) -> None:
    with scratch_folder("test", tmp_path) as folder:
        aged(folder / ".owner")
        assert sweep_scratch(tmp_path) == 0
        assert folder.is_dir()
    assert names(tmp_path) == set()


@pytest.mark.parametrize("killed", [True, False])
def test_the_scratch_folder_of_a_process_is_swept_once_it_was_killed_and_is_old(tmp_path: Path, killed: bool) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            folder = Path(process.stdout.readline().strip())
            aged(folder / ".owner")
            if killed:
                process.kill()
                process.wait()
                (tmp_path / "ll-someone").mkdir()
                aged(folder / ".owner", OLD_S - 100)
                assert sweep_scratch(tmp_path) == 0
                aged(folder / ".owner")
            assert sweep_scratch(tmp_path) == int(killed)
            assert folder.exists() is not killed
            assert names(tmp_path) == ({"ll-someone"} if killed else {folder.name})
        finally:
            process.kill()


def test_a_link_that_stands_for_a_scratch_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file_of(elsewhere, ".owner")
    (tmp_path / "ll-link").symlink_to(elsewhere)
    assert sweep_scratch(tmp_path) == 0
    assert names(elsewhere) == {".owner"}

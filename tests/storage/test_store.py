import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from launcher.errors import InvalidInput
from launcher.storage.store import AlreadyExists, Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "root") if request.param == "local" else f"memory://{uuid4()}")


def test_create_writes_once_and_keeps_the_first_bytes(store: Store) -> None:
    store.create("a/b.json", b"first")
    with pytest.raises(AlreadyExists, match=r"^a/b\.json$"):
        store.create("a/b.json", b"second")
    assert store.read("a/b.json") == b"first"


def test_write_puts_new_bytes_in_place_of_old_ones(store: Store) -> None:
    store.write("deep/er/name", b"old")
    store.write("deep/er/name", b"")
    assert store.read("deep/er/name") == b""


def test_exists_and_read_tell_what_is_there(store: Store) -> None:
    assert not store.exists("name")
    with pytest.raises(FileNotFoundError):
        store.read("name")
    store.create("name", b"")
    assert store.exists("name")


def test_list_is_sorted_recursive_fresh_and_bounded_by_the_folder(store: Store) -> None:
    assert store.list() == store.list("journal") == []
    for name in ("journal/2", "journal/1", "journal/old/3", "journal-of-another", "top"):
        store.create(name, b"")
    assert store.list("journal") == ["journal/1", "journal/2", "journal/old/3"]
    assert store.list() == ["journal-of-another", "journal/1", "journal/2", "journal/old/3", "top"]
    assert store.list("top") == []


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/"])
def test_names_that_leave_the_root_or_have_two_spellings_are_refused(store: Store, name: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.create(name, b""),
        lambda: store.write(name, b""),
        lambda: store.read(name),
        lambda: store.exists(name),
        lambda: store.local_path(name),
    ]
    for call in calls:
        with pytest.raises(InvalidInput, match="is no name below"):
            call()


def test_folders_travel_up_and_down_unchanged(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name, data in {"one": b"1", "in/two.bin": bytes(range(256)), "in/empty": b""}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    store.upload(source, "model")
    (source / "one").write_bytes(b"changed")
    store.upload(source, "model")
    assert store.list("model") == ["model/in/empty", "model/in/two.bin", "model/one"]

    store.download("model", tmp_path / "target")
    fetched = sorted(path.relative_to(tmp_path / "target").as_posix() for path in (tmp_path / "target").rglob("*.*"))
    assert fetched == ["in/two.bin"]
    assert (tmp_path / "target/one").read_bytes() == b"changed"
    assert (tmp_path / "target/in/two.bin").read_bytes() == bytes(range(256))
    assert (tmp_path / "target/in/empty").read_bytes() == b""


def test_folders_that_are_not_there_do_not_travel(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        store.upload(tmp_path / "nowhere", "model")
    with pytest.raises(FileNotFoundError, match="model is not there"):
        store.download("model", tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_probe_leaves_nothing_behind(store: Store) -> None:
    store.check_writable()
    assert store.list() == []


def test_stores_travel_to_other_processes(store: Store) -> None:
    store.create("name", b"data")
    assert pickle.loads(pickle.dumps(store)).read("name") == b"data"


def test_relative_paths_become_absolute_and_objects_have_a_local_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open("runs/")
    monkeypatch.chdir("/")
    store.create("a/b", b"data")
    assert store.location == str(tmp_path / "runs")
    assert store.local_path("a/b") == tmp_path / "runs/a/b"
    assert (tmp_path / "runs/a/b").read_bytes() == b"data"


def test_object_stores_have_a_url_and_no_local_path() -> None:
    store = Store.open("memory://somewhere/below/")
    assert store.local_path("name") is None
    assert store.location == "memory:///somewhere/below"


@pytest.mark.parametrize("url", ["nonsense://bucket", "s4://bucket/run"])
def test_unknown_protocols_are_told_in_one_line(url: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^storage root {url}: [^\n]+$"):
        Store.open(url)


def test_a_root_below_a_file_is_told_as_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"^storage root .*/file/run cannot be written: .*; give a folder [^\n]+$"):
        Store.open(str(tmp_path / "file/run")).check_writable()


def test_a_root_on_a_read_only_file_system_is_told_as_not_writable() -> None:
    with pytest.raises(InvalidInput, match=r"^storage root /proc/run cannot be written: "):
        Store.open("/proc/run").check_writable()


class Forgetful(MemoryFileSystem):  # type: ignore[misc]
    """A store that takes create-only writes for plain ones."""

    cachable = False

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        super().pipe_file(path, value, mode="overwrite", **kwargs)


def test_a_store_without_create_only_writes_is_found_out() -> None:
    store = Store(Forgetful(), f"/{uuid4()}")
    with pytest.raises(InvalidInput, match=r"has no create-only writes: .* choose another store"):
        store.check_writable()
    assert store.list() == []


def test_temporary_files_of_a_killed_writer_are_not_objects(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    killed = (
        "import os, sys; from pathlib import Path; from launcher.storage import local\n"
        "os.link = lambda *_: os._exit(9)\n"
        "local.create(Path(sys.argv[1]), b'half')"
    )
    target = tmp_path / "journal/00000001.json"
    assert subprocess.run([sys.executable, "-c", killed, str(target)], check=False).returncode == 9
    assert len(os.listdir(target.parent)) == 1
    assert store.list() == []
    store.create("journal/00000001.json", b"whole")
    assert store.list() == ["journal/00000001.json"]


def _race(root: str, barrier: Barrier, rounds: int) -> None:
    store = Store.open(root)
    barrier.wait()
    for number in range(rounds):
        try:
            store.create(f"prize/{number}", str(os.getpid()).encode())
        except AlreadyExists:
            continue
        store.create(f"won/{os.getpid()}/{number}", b"")


def test_of_several_processes_that_create_one_object_one_succeeds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    processes = [context.Process(target=_race, args=(str(tmp_path), barrier, 40)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    store = Store.open(str(tmp_path))
    winners = {name.split("/")[2]: name.split("/")[1] for name in store.list("won")}
    assert len(store.list("won")) == 40
    assert winners == {str(number): store.read(f"prize/{number}").decode() for number in range(40)}

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import xxhash

from launcher.data.prepared.cache import BlockCache
from launcher.storage import local

SIZE = 10_000
LIMIT = 20 * SIZE
SCRIPT = """
import os, sys, xxhash
from pathlib import Path
from launcher.data.prepared.cache import BlockCache

folder, size, entries = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cache = BlockCache(folder / "cache", 10 * entries * size, print)

def load(number):
    with open(folder / "loads", "a") as file:
        file.write(f"{number}\\n")
    print("loading", number, flush=True)
    return bytes([number]) * size

for number in range(entries):
    data = bytes([number]) * size
    assert cache.fetch(f"set/{number}", xxhash.xxh3_64_intdigest(data), lambda: load(number)) == data
"""
"""Fetches entries from a cache in another process, and notes which of them it had to load."""


class Blocks:
    """Stands for a store: block `n` is made of bytes of its own."""

    def __init__(self, cache: BlockCache) -> None:
        self.cache = cache
        self.loads: list[int] = []

    def bytes(self, number: int) -> bytes:
        return random.Random(number).randbytes(SIZE)

    def fetch(self, number: int) -> bool:
        """Whether the cache gives the right bytes."""
        data = self.bytes(number)

        def load() -> bytes:
            self.loads.append(number)
            return data

        return self.cache.fetch(f"set/{number}", xxhash.xxh3_64_intdigest(data), load) == data


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def blocks(folder: Path, told: list[str]) -> Blocks:
    return Blocks(BlockCache(folder, LIMIT, told.append))


def entry(folder: Path, number: int) -> Path:
    return folder / "blocks" / "set" / str(number)


def in_a_process(folder: Path, size: int, entries: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SCRIPT, str(folder), str(size), str(entries)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_a_block_is_loaded_once_and_survives_a_restart(folder: Path, blocks: Blocks) -> None:
    assert all(blocks.fetch(number) for number in [1, 2, 1, 2, 1])
    assert blocks.loads == [1, 2]
    later = Blocks(BlockCache(folder, LIMIT, pytest.fail))
    assert later.fetch(2)
    assert later.loads == []


@pytest.mark.parametrize("damage", [lambda data: b"\x01" + data[1:], lambda data: data[:-1], lambda _: b""])
def test_a_damaged_entry_is_loaded_again_and_mended(folder: Path, blocks: Blocks, damage: "type[bytes]") -> None:
    blocks.fetch(1)
    entry(folder, 1).write_bytes(damage(blocks.bytes(1)))
    assert blocks.fetch(1)
    assert entry(folder, 1).read_bytes() == blocks.bytes(1)
    assert blocks.loads == [1, 1]


def test_the_least_recently_read_entries_go_first(folder: Path, blocks: Blocks) -> None:
    for number in range(20):
        blocks.fetch(number)
        os.utime(entry(folder, number), ns=(number, number))
    assert all(blocks.fetch(number) for number in [0, 3])
    assert blocks.fetch(99)
    kept = {int(path.name) for path in (folder / "blocks" / "set").iterdir()}
    assert kept == set(range(20)) - {1, 2, 4} | {99}


def test_entries_never_take_more_than_the_limit(folder: Path, blocks: Blocks) -> None:
    chance = random.Random(0)
    for _ in range(300):
        assert blocks.fetch(chance.randrange(60))
        assert sum(path.stat().st_size for path in (folder / "blocks" / "set").iterdir()) <= LIMIT
    assert 60 < len(blocks.loads) < 300


def test_an_entry_over_the_limit_is_not_kept(folder: Path, told: list[str]) -> None:
    small = Blocks(BlockCache(folder, SIZE, told.append))
    assert small.fetch(1)
    assert small.fetch(1)
    assert (small.loads, told) == ([1, 1], [])


def test_what_a_dead_process_was_writing_is_removed_in_time(folder: Path, blocks: Blocks) -> None:
    blocks.fetch(1)
    old, new = (entry(folder, 1).with_name(f"{local.TEMPORARY}{name}") for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    (folder / "used").write_text("")
    blocks.fetch(2)
    assert (old.exists(), new.exists()) == (False, True)


def test_of_threads_that_miss_a_block_one_loads_it(blocks: Blocks) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(blocks.fetch, [number for number in range(10) for _ in range(8)]))
    assert sorted(blocks.loads) == list(range(10))


def test_of_processes_that_miss_a_block_one_loads_it(tmp_path: Path) -> None:
    running = [in_a_process(tmp_path, SIZE, 50) for _ in range(3)]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    loads = [int(line) for line in (tmp_path / "loads").read_text().split()]
    assert sorted(loads) == list(range(50))
    assert sum(output.count("loading") for output in outputs) == 50


def test_a_kill_while_entries_are_written_leaves_nothing_that_is_taken_as_whole(tmp_path: Path) -> None:
    size, chance = 4 << 20, random.Random(1)
    for _ in range(8):
        process = in_a_process(tmp_path, size, 200)
        assert process.stdout is not None
        for _ in range(chance.randrange(1, 12)):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
        process.wait()
        for path in (tmp_path / "cache" / "blocks" / "set").glob("[0-9]*"):
            assert path.read_bytes() == bytes([int(path.name)]) * size
    assert in_a_process(tmp_path, size, 3).communicate()[0] == ""


def test_a_process_that_hangs_in_a_load_is_not_waited_for_for_ever(folder: Path, told: list[str]) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    def hang() -> bytes:
        hanging.set()
        go_on.wait()
        return b"late"

    checksum = xxhash.xxh3_64_intdigest(b"late")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(BlockCache(folder, LIMIT, told.append).fetch, "key", checksum, hang)
        hanging.wait()
        impatient = BlockCache(folder, LIMIT, told.append, patience=0.05)
        assert impatient.fetch("key", checksum, lambda: b"late") == b"late"
        go_on.set()
        assert first.result() == b"late"
    assert told == []


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """No file of this process may grow beyond some bytes; that goes for pytest's own output too, so be short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_cache_and_not_the_reading(folder: Path, blocks: Blocks, told: list[str]) -> None:
    blocks.fetch(0)
    with little_room(SIZE // 2):
        right = [blocks.fetch(number) for number in [0, 1, 2, 1]]
    assert right == [True] * 4
    assert blocks.loads == [0, 1, 2, 1]
    assert told == [f"the cache {folder} takes no more blocks: [Errno 27] File too large; reading goes on"]
    assert [path.name for path in (folder / "blocks" / "set").iterdir()] == ["0"]


def test_a_folder_that_cannot_be_made_is_told_and_done_without(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "file").write_text("")
    blocks = Blocks(BlockCache(tmp_path / "file" / "cache", LIMIT, told.append))
    assert blocks.fetch(1)
    assert blocks.fetch(1)
    assert blocks.loads == [1, 1]
    assert told == [
        f"the cache {tmp_path}/file/cache takes no more blocks: [Errno 20] Not a directory: '{tmp_path}/file/cache'; "
        "reading goes on"
    ]

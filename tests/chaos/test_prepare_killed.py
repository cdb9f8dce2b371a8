"""`launcher prepare` killed at any moment and run again: the same bytes as if nothing had happened."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from launcher.data.prepared.manifest import MANIFEST
from launcher.data.prepared.verify import verify
from launcher.storage.local import TEMPORARY
from launcher.storage.store import Store
from tests.e2e.command import LONGEST_S, Bench, Started

KILLS = 20
SHARD_SIZE = "30000"
"""Characters: 9 shards or so of a second together, so that kills fall between them."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path, stories: Path) -> Bench:
    folder = tmp_path_factory.mktemp("prepare-killed")
    url = str(shared / "data" / "financial-phrasebank" / "Sentences_AllAgree.txt")
    recipe = {
        "name": "news",
        "model": {"kind": "pretrained", "name_or_path": str(stories)},
        "method": {"kind": "full"},
        "task": {"kind": "text"},
        "data": {
            "train": {"kind": "labelled-lines", "url": url, "separator": "@", "encoding": "latin-1"},
            "split": {"test_per_class": 10},
        },
        "strategy": {"kind": "ddp"},
        "training": {"max_length": 128},
    }
    (folder / "news.yaml").write_text(yaml.safe_dump(recipe))
    return Bench(folder, shared)


def words(folder: str, tasks: int) -> list[str]:
    return ["prepare", "news.yaml", "--to", folder, "--shard-size", SHARD_SIZE, f"cluster.workers={tasks}"]


def content(folder: Path) -> dict[str, bytes]:
    """Files by name, without those that a kill left half written, which no reader is shown."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(TEMPORARY))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def kill(started: Started, folder: Path, files: int, later: float) -> bool:
    """Kill the driver's process group once Ray runs and so many files are there, and a little later.

    Returns whether it was still going. Before Ray runs nothing is written.
    """
    started.until_said("^encoding")
    cluster, everything = started.cluster_folder(), started.processes()
    while started.process.poll() is None and len(content(folder)) < files:
        pass
    time.sleep(later)
    going = started.process.poll() is None
    if going:
        os.killpg(started.process.pid, signal.SIGKILL)
    for process in everything:  # Ray gives some of its own groups of their own
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everything, timeout=LONGEST_S)
    shutil.rmtree(cluster, ignore_errors=True)
    return going


@pytest.mark.slow
def test_killed_at_20_moments_and_finished_it_leaves_the_bytes_of_an_undisturbed_one(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    for tasks in (1, 3):
        assert bench.launcher(*words(f"undisturbed-{tasks}", tasks)).code == 0
    undisturbed = content(bench.folder / "undisturbed-1")
    assert content(bench.folder / "undisturbed-3") == undisturbed
    assert len(undisturbed) > 14
    assert MANIFEST in undisturbed

    moments, broken_off, unfinished = random.Random(4), 0, 0
    for number in range(KILLS):
        folder = bench.folder / f"killed-{number}"
        first, then = moments.choice((1, 3)), moments.choice((1, 3))
        with bench.started(*words(folder.name, first)) as started:
            files = moments.randrange(len(undisturbed))
            broken_off += kill(started, folder, files, moments.uniform(0, 0.2))
        unfinished += not (folder / MANIFEST).exists()
        left = content(folder)
        assert {name: undisturbed[name] for name in left} == left
        ended = bench.launcher(*words(folder.name, then))
        assert ended.code == 0, ended.err
        assert content(folder) == undisturbed, f"kill {number}, after {files} files"
        assert verify(Store.open(str(folder))).to_json() == undisturbed[MANIFEST]
        shutil.rmtree(folder)
    assert broken_off >= KILLS * 3 / 4, "most kills must come before the end"
    assert unfinished >= KILLS / 2
    record_property("faults", [("kill prepare", "-")] * KILLS)

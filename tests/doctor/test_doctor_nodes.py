"""Faults planted in the machines of a real Ray cluster are each found by one run of the doctor."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import yaml

from tests.doctor.told import Done
from tests.nodes.hosts import Host, hosts
from tests.nodes.ray_on import PORT, ray_environment, start_node

NAMES = ("n1", "n2", "n3")
WITHIN_S = 280.0
LAUNCHER = (sys.executable, "-m", "launcher")
SHARE = 0.1
"""Of the time that a throttled process runs."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Host]]]:
    """Three machines. On n2 a package differs, a variable is missing, and the cache's disk is full; n3 is behind a
    slow link."""
    folder = tmp_path_factory.mktemp("doctor")
    folder.chmod(0o755)
    values = {
        "backend": "ray",
        "nodes": 3,
        "storage": str(folder / "runs"),
        "cache_folder": "/tmp/cache",
        "secrets": ["SECRET_WORD"],
        "environment": {"MOOD": "good"},
    }
    (folder / "three.yaml").write_text(yaml.safe_dump(values))
    with hosts(NAMES, folder) as made:
        n1, n2, n3 = made
        n2.run("mkdir", "/tmp/cache").check_returncode()
        n2.run("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", "/tmp/cache").check_returncode()
        limit = (
            "tc",
            "qdisc",
            "add",
            "dev",
            "eth0",
            "root",
            "tbf",
            "rate",
            "40mbit",
            "burst",
            "32k",
            "latency",
            "50ms",
        )
        n3.run(*limit).check_returncode()
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text("0123456789abcdef" * 4)
        address = f"{n1.address}:{PORT}"
        start_node(n1, address, folder, more={"SECRET_WORD": "plugh"})
        start_node(
            n2, address, folder, more={"PYTHONPATH": f"{_other_package(folder)}:{os.environ.get('PYTHONPATH', '')}"}
        )
        start_node(n3, address, folder, more={"SECRET_WORD": "plugh"})
        yield folder, made


def _other_package(folder: Path) -> Path:
    """A folder in which peft says that it is of another version."""
    place = folder / "other" / "peft-0.1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: peft\nVersion: 0.1.0\n")
    return place.parent


def doctor(cluster: tuple[Path, list[Host]], *words: str) -> Done:
    folder, (head, *_) = cluster
    done = head.run(
        *(*LAUNCHER, "doctor", "--cluster", "three.yaml", *words),
        folder=folder,
        environment=ray_environment(folder, {"RAY_ADDRESS": f"{head.address}:{PORT}"}),
        within=WITHIN_S,
    )
    print(done.stdout, done.stderr)
    return Done(done.returncode, done.stdout, done.stderr)


def test_each_fault_of_a_machine_is_found_with_its_host_and_mend(cluster):
    done = doctor(cluster, "--only", "versions,environment,store,paths,clock,disk,gpus", "--json")
    assert done.code == 3, done.err
    assert [each["host"] for each in done.verdicts if each["state"] == "fail"] == ["n2", "n2", "n2"]
    (version,) = done.of("versions", "fail")
    assert version["found"] == "peft 0.1.0"
    assert "on n2" in version["mend"]
    (variable,) = done.of("environment", "fail")
    assert variable["found"] == "no SECRET_WORD"
    (disk,) = done.of("disk", "fail")
    assert disk["found"].startswith("cache /tmp/cache: 0.0156 GiB free")
    assert {each["host"] for each in done.of("clock", "ok")} == set(NAMES)
    assert {each["host"] for each in done.of("paths", "ok")} == set(NAMES)
    assert "plugh" not in done.out + done.err
    assert [path.name for path in (cluster[0] / "runs").iterdir()] == []


def test_the_machine_behind_a_slow_link_is_named(cluster):
    done = doctor(cluster, "--only", "collectives", "--json")
    (slow,) = done.of("collectives", "fail")
    assert slow["host"] == "n3", done.out
    assert "cable and port of n3" in slow["mend"]


@pytest.mark.slow
def test_the_machine_that_computes_slowly_is_named(cluster):
    with throttled(cluster[1][1]):
        done = doctor(cluster, "--only", "straggler")
    assert done.code == 3, done.out
    (slow,) = [line for line in done.out.splitlines() if " fail " in line]
    assert slow.split()[:3] == ["straggler", "fail", "n2"]
    assert "--ban n2" in done.out


def test_machines_that_are_missing_are_told_of_and_the_others_examined(cluster):
    done = doctor(cluster, "cluster.nodes=4", "cluster.wait_minutes=0.01", "--only", "versions", "--json")
    assert done.code == 3
    (missing,) = done.of("machines", "fail")
    assert "3 of 4 machines" in missing["found"]
    assert {each["host"] for each in done.verdicts} == {"", *NAMES}


@contextmanager
def throttled(host: Host) -> Iterator[None]:
    """Stop the host's ranks nine tenths of the time; its Ray goes on as it was."""
    over = threading.Event()

    def throttle() -> None:
        while not over.is_set():
            ranks = [one for one in host.processes() if _is_rank(one)]
            _signal(ranks, signal.SIGSTOP)
            over.wait(0.1 * (1 - SHARE))
            _signal(ranks, signal.SIGCONT)
            over.wait(0.1 * SHARE)

    thread = threading.Thread(target=throttle)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _is_rank(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "launcher.doctor.rank" in process.cmdline()
    return False


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)

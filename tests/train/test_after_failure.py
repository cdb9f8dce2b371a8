"""What is kept of a failed attempt, and the machines that the next one has."""

import json
from pathlib import Path

from launcher.errors import LauncherError
from launcher.plan.placement import Placement
from launcher.storage.layout import rank_log
from launcher.storage.store import Store
from launcher.train.bundle import TAIL, keep_bundle
from launcher.train.cluster import Cluster, Node
from launcher.train.datasets import Preparation
from launcher.train.desk import RankFailure
from launcher.train.making_job import Party
from launcher.train.outcome import Cause, Failed

TOLD = (
    RankFailure(0, "n1", "RuntimeError: Connection closed by peer", None, "Traceback of 0"),
    RankFailure(1, "n2", "ValueError: bad", None, "Traceback of 1"),
)
FAILED = Failed(Cause(LauncherError("rank 1 failed"), "other", 1, "n2", 17, TOLD[1]), TOLD, ("not saved  step 3",))


def test_the_bundle_names_the_first_cause_and_keeps_the_ends_of_the_logs(tmp_path: Path):
    store, told = Store.open(str(tmp_path / "run")), []
    store.write(rank_log(2, 1), b"x" * TAIL + b"the end")
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "worker-1.err").write_text("killed by the kernel")
    (logs / "raylet.err").write_text("")
    keep_bundle(store, 2, FAILED, logs, told.append)
    assert store.list("failures") == [
        "failures/2/cause.json",
        "failures/2/notes.txt",
        "failures/2/rank-0.txt",
        "failures/2/rank-1.txt",
        "failures/2/ray-worker-1.txt",
    ]
    cause = json.loads(store.read("failures/2/cause.json"))
    assert (cause["kind"], cause["verdict"], cause["host"], cause["step"]) == ("other", "retry", "n2", 17)
    rank = store.read("failures/2/rank-1.txt")
    assert rank.startswith(b"Traceback of 1\n")
    assert rank.endswith(b"xthe end")
    assert len(rank) < 2 * TAIL
    assert store.read("failures/2/rank-0.txt").endswith(b"no log is there\n")
    assert store.read("failures/2/ray-worker-1.txt") == b"killed by the kernel"
    assert told == []


def test_a_bundle_is_written_once_and_a_store_that_takes_nothing_costs_only_the_bundle(tmp_path: Path):
    store, told = Store.open(str(tmp_path / "run")), []
    for _ in range(2):
        keep_bundle(store, 2, FAILED, None, told.append)
    assert told == []
    (tmp_path / "file").write_text("no folder")
    keep_bundle(Store.open(str(tmp_path / "file")), 2, FAILED, None, told.append)
    assert len(told) == 1
    assert "not all of it could be kept" in told[0]


def party(*hosts: str) -> Party:
    nodes = tuple(Node(f"id-{host}", host, "10.0.0.1") for host in hosts)
    placement = Placement(workers=8 * len(nodes), device="cuda", threads=4, nodes=len(nodes))
    how = Preparation(None, None, placement, "", None, None)  # type: ignore[arg-type]
    return Party(how, [], Cluster(Path("/tmp"), nodes), placement)


def test_on_other_machines_each_has_as_many_workers_as_before():
    there = Cluster(Path("/tmp"), party("n1", "n3").cluster.nodes)
    smaller = party("n1", "n2", "n3").on(there)
    assert smaller.hosts == ("n1", "n3")
    assert (smaller.placement.workers, smaller.placement.nodes) == (16, 2)
    assert smaller.how.placement == smaller.placement
    assert smaller.on(party("n1", "n2", "n3", "n4").cluster).placement.workers == 32

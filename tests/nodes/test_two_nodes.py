"""`launcher run` in a Ray cluster of two machines that is there already."""

import json
import sys

import pytest
import yaml

from launcher.checkpoint.entries import Close, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.nodes.hosts import hosts
from tests.nodes.ray_on import ray_environment, ray_on
from tests.small import SMALL

WITHIN_S = 280.0
LAUNCHER = (sys.executable, "-m", "launcher")


def profile(folder, **fields):
    values = {"backend": "ray", "nodes": 2, "storage": str(folder / "runs"), "cache_folder": str(folder / "cache")}
    (folder / "two.yaml").write_text(yaml.safe_dump(values | fields))
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))


@pytest.mark.slow
def test_a_run_trains_on_every_machine_of_a_cluster_that_it_was_given_and_leaves_that_running(tmp_path):
    profile(tmp_path, environment={"MOOD": "good"}, secrets=["SECRET_WORD"])
    with hosts(["head", "other"], tmp_path) as (head, other), ray_on([head, other], tmp_path) as address:
        environment = ray_environment(tmp_path, {"RAY_ADDRESS": address, "SECRET_WORD": "plugh"})
        done = head.run(
            *(*LAUNCHER, "run", "small.yaml", "--cluster", "two.yaml", "--run-id", "both"),
            folder=tmp_path,
            environment=environment,
            within=WITHIN_S,
        )
        print(done.stdout)
        assert done.returncode == 0, done.stderr + done.stdout
        assert len([one for one in other.processes() if "raylet" in one.name()]) == 1
    store = Store.open(str(tmp_path / "runs" / "both"))
    entries = Journal(store).entries()
    (opened,), (closed,) = ([one for one in entries if isinstance(one, kind)] for kind in (Open, Close))
    assert opened.hosts == ("head", "other")
    assert closed.exit_code == 0
    assert json.loads(store.read("evaluation/metrics.json"))
    logs = {name: store.read(name).decode() for name in store.list("logs")}
    assert len(logs) == 2
    assert "plugh" not in "".join(path.read_text(errors="replace") for path in tmp_path.glob("*.log"))

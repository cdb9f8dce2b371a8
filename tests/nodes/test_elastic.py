"""A machine that is lost or cut off, and one that comes: the same driver goes on with fewer, and grows back."""

import json
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from launcher.chaos.same import losses
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.nodes.hosts import Host, hosts
from tests.nodes.ray_on import ray_environment, ray_on, start_node
from tests.small import SMALL

WITHIN_S = 170.0
LAUNCHER = (sys.executable, "-m", "launcher")
SLOWLY = {
    "max_steps": 20_000,
    "global_batch_size": 48,
    "learning_rate": 1e-5,
    "save_steps": 20,
    "lr_scheduler_type": "constant",
}
"""Steps that change little, so that what rounding does stays small, whatever the number of steps in all."""


def raylets(host: Host) -> list[psutil.Process]:
    return [each for each in host.processes() if each.name() == "raylet"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "cut off"])
def test_a_run_goes_on_with_fewer_machines_when_one_is_lost_and_grows_back_when_another_comes(
    tmp_path: Path, how: str
) -> None:
    small = SMALL | {"training": SMALL["training"] | SLOWLY}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    profile = {"backend": "ray", "nodes": 2, "min_nodes": 1, "storage": str(tmp_path / "runs")}
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(profile | {"cache_folder": str(tmp_path / "cache")}))
    store = Store.open(str(tmp_path / "runs" / "grown"))

    def committed(attempt: int) -> int | None:
        """The step that an attempt committed last."""
        if not (tmp_path / "runs" / "grown" / "journal").is_dir():
            return None
        steps = [each.step for each in Journal(store).entries() if isinstance(each, Commit) and each.attempt == attempt]
        return steps[-1] if steps else None

    def until_committed(attempt: int) -> float:
        began = time.monotonic()
        while committed(attempt) is None:
            assert driver.poll() is None, (tmp_path / "driver.log").read_text()
            assert time.monotonic() - began < WITHIN_S, (tmp_path / "driver.log").read_text()
            time.sleep(0.2)
        return time.monotonic() - began

    with (
        hosts(["head", "other", "third"], tmp_path) as (head, other, third),
        ray_on([head, other], tmp_path) as address,
    ):
        environment = ray_environment(tmp_path, {"RAY_ADDRESS": address})
        words = ("run", "small.yaml", "--cluster", "two.yaml", "--run-id", "grown")
        driver = head.start(*LAUNCHER, *words, log=tmp_path / "driver.log", folder=tmp_path, environment=environment)
        until_committed(1)
        if how == "killed":
            other.unplug()
        else:
            other.part()  # its rank runs on, and sees the storage as before
        print(f"{how}: {until_committed(2):.0f} s to the next commit, on one")
        if how == "cut off":
            other.join()
            _, left = psutil.wait_procs(raylets(other), timeout=WITHIN_S)
            assert not left, "Ray's own node does not go on in a cluster that gave it up"
        coming = third if how == "killed" else other
        start_node(coming, address, tmp_path)
        print(f"another came: {until_committed(3):.0f} s to the next commit, on two")
        stopped = head.run(*LAUNCHER, "stop", "grown", folder=tmp_path, environment=environment, within=WITHIN_S)
        assert stopped.returncode == 0, stopped.stderr
        assert driver.wait(WITHIN_S) == 0, (tmp_path / "driver.log").read_text()
        last = committed(3)
        calm = ("run", "small.yaml", f"cluster.storage={tmp_path}/runs", "--run-id", "calm")
        done = head.run(
            *(*LAUNCHER, *calm, f"training.max_steps={last}", "cluster.oversubscribe=true"),
            folder=tmp_path,
            environment=environment,
            within=WITHIN_S,
        )
        assert done.returncode == 0, done.stderr
    print((tmp_path / "driver.log").read_text())
    entries = Journal(store).entries()
    opened = [each.hosts for each in entries if isinstance(each, Open)]
    assert opened == [("head", "other"), ("head",), ("head", coming.name)]
    numbers = [each.attempt for each in entries if isinstance(each, (Open, Commit))]
    assert numbers == sorted(numbers), "what was cut off committed nothing once another attempt was open"
    closed = [each.ended for each in entries if isinstance(each, Close)]
    assert closed[1:] == ["grow", "stop"]
    assert json.loads(store.read("failures/1/cause.json"))
    found, wanted = losses(store), losses(Store.open(str(tmp_path / "runs" / "calm")))
    assert found.keys() == wanted.keys()
    furthest = max(abs(found[step] - wanted[step]) for step in wanted)
    print(f"{len(wanted)} steps, losses differ by {furthest:.1e} at the most")
    assert furthest <= 1e-5

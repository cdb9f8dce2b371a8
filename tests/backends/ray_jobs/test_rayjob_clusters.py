"""A RayJob whose cluster is taken away twice: what KubeRay would run, in one real Ray cluster after the other."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launcher.backends.kubernetes.manifest import manifest
from launcher.backends.submission import Submission, write_submission
from launcher.checkpoint.entries import Close, Open
from launcher.recipe.load import load_recipe
from launcher.storage.store import Store
from tests.backends.kubernetes.submissions import profile_of
from tests.backends.ray_jobs.ray_hosts import WITHIN_S, Bench, ray_hosts

NAMES = ("head", "first", "second")
INTERRUPTED = 75


@pytest.mark.slow
def test_every_new_cluster_of_a_rayjob_finds_the_run_and_goes_on(tmp_path: Path, shared: Path) -> None:
    with ray_hosts(tmp_path, NAMES, head_cpus=0) as bench:
        bench.write_stories(shared, max_steps=200, save_steps=20, global_batch_size=16)
        job = rayjob(bench, shared)
        start(bench, job, "try-1")
        bench.until_committed("run")
        evict(bench, job)
        bench.until(lambda: closes(bench), "the attempt closes")
        (closed,) = closes(bench)
        evicted = bench.commits("run")[-1].step
        print(closed, f"evicted after step {evicted}")
        assert (closed.ended, closed.exit_code) == ("drain", INTERRUPTED)
        assert closed.cause.startswith(f"drain: committed step {evicted} (Ray drains ")

    with ray_hosts(tmp_path, NAMES, head_cpus=0) as bench:
        start(bench, job, "try-2")
        bench.until_committed("run", evicted)
        bench.head.unplug()
        lost = bench.commits("run")[-1].step

    with ray_hosts(tmp_path, NAMES, head_cpus=0) as bench:
        began = time.monotonic()
        followed = start(bench, job, "try-3", wait=True)
        print(followed, f"lost after step {lost}, {time.monotonic() - began:.0f} s to the end")
        assert "trained to step 200" in followed
    opened = [each for each in bench.entries("run") if isinstance(each, Open)]
    assert [each.attempt for each in opened] == [1, 2, 3]
    assert all(each.backend == "kubernetes" and each.hosts == ("first", "second") for each in opened)
    assert closes(bench)[-1].exit_code == 0
    assert json.loads(Store.open(str(tmp_path / "runs/run")).read("evaluation/metrics.json"))


def rayjob(bench: Bench, shared: Path) -> dict:
    """Of a run directory on a volume that every pod has."""
    profile = profile_of(
        storage=str(bench.folder / "runs"),
        cache_folder=str(bench.folder / "cache"),
        volumes=[{"mount": str(bench.folder), "claim": "work"}, {"mount": str(shared), "claim": "models"}],
        nodes=2,
        grace_seconds=60.0,
    )
    recipe = load_recipe(str(bench.folder / "stories.yaml"))
    return manifest(write_submission(Submission("run", f"{profile.storage}/run", recipe, profile, 1)))


def start(bench: Bench, job: dict, name: str, *, wait: bool = False) -> str:
    """As KubeRay's container beside the head does."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "job", "submit", f"--address={bench.dashboard}"]
    words = [*command, f"--submission-id={name}", *([] if wait else ["--no-wait"]), "--"]
    done = bench.head.run(
        *words, *job["spec"]["entrypoint"].split(), folder=bench.folder, environment=bench.environment, within=WITHIN_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evict(bench: Bench, job: dict) -> None:
    """Delete all pods at once: on each the hook runs, and then they are gone."""
    cluster = job["spec"]["rayClusterSpec"]
    going: list[subprocess.Popen[bytes]] = []
    for host in bench.hosts:
        group = cluster["headGroupSpec"] if host is bench.head else cluster["workerGroupSpecs"][0]
        (container,) = group["template"]["spec"]["containers"]
        hook = container["lifecycle"]["preStop"]["exec"]["command"]
        log = bench.folder / f"hook-{host.name}.log"
        going.append(host.start(*hook, log=log, folder=bench.folder, environment=bench.environment))
    began = time.monotonic()
    codes = [each.wait(90) for each in going]
    print(f"the hooks took {time.monotonic() - began:.0f} s")
    assert codes == [0, 0, 0], [path.read_text() for path in sorted(bench.folder.glob("hook-*.log"))]


def closes(bench: Bench) -> list[Close]:
    return [each for each in bench.entries("run") if isinstance(each, Close)]

"""A real pretrained Llama as jobs of a real Ray cluster of two hosts."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from launcher.backends.kubernetes.termination import lifecycle
from launcher.checkpoint.entries import Close, Open
from tests.backends.kubernetes.submissions import profile_of, submission
from tests.backends.ray_jobs.ray_hosts import PLANTED, Bench, ray_hosts
from tests.nodes.hosts import Host

pytestmark = pytest.mark.slow
LONG = {"max_steps": 120, "save_steps": 10, "global_batch_size": 16}


def test_a_run_is_submitted_followed_to_its_end_and_submitted_only_once(tmp_path, shared):
    with ray_hosts(tmp_path) as bench:
        bench.write_stories(shared, max_steps=40, save_steps=10, global_batch_size=16)
        began = time.monotonic()
        assert bench.submit("one", recipe="stories.yaml") == "one-a1"
        again = bench.launcher("submit", "stories.yaml", "--cluster", "ray.yaml", "--run-id", "one")
        assert again.returncode in (2, 4)
        assert "one-a1" in again.stderr
        assert bench.state("one") in ("starting", "running")
        words = set()
        while not bench.commits("one"):
            words |= {word for host in bench.hosts for one in host.processes() for word in command_of(one)}
            assert time.monotonic() < began + 250, bench.launcher("logs", "one").stdout
        followed = bench.done("logs", "one", "--follow")
        print(followed, f"{time.monotonic() - began:.0f} s from the submission to the end")
        assert f"run       {tmp_path}/runs/one" in followed
        assert "trained to step 40" in followed
        assert bench.state("one") == "done"
        assert bench.done("logs", "one").splitlines() == followed.splitlines()
        (opened,) = (one for one in bench.entries("one") if isinstance(one, Open))
        assert opened.hosts == ("head", "other")
        (closed,) = (one for one in bench.entries("one") if isinstance(one, Close))
        assert closed.exit_code == 0
        described = bench.described()
        assert "one-a1" in described
        assert "--run-id" in words
        assert PLANTED not in described + followed + " ".join(words)
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and os.access(path, os.R_OK)]
        assert any("events/" in str(path) for path in kept)
        assert not [path for path in kept if PLANTED.encode() in path.read_bytes()]
        for host in bench.hosts:  # what Ray keeps of itself: logs, events, descriptions of jobs
            assert host.run("grep", "-rlIF", PLANTED, "/tmp/ray").returncode == 1
        ended = bench.launcher("cancel", "one")
        assert ended.returncode == 2
        assert "no job of this run is alive" in ended.stderr


def test_a_run_that_was_stopped_or_whose_driver_was_killed_goes_on_when_it_is_submitted_again(tmp_path, shared):
    with ray_hosts(tmp_path) as bench:
        bench.write_stories(shared, **LONG)
        assert bench.submit("two", recipe="stories.yaml") == "two-a1"
        bench.until_committed("two")
        bench.done("stop", "two")
        bench.until(lambda: bench.state("two") == "done", "the driver has ended")
        stopped = bench.commits("two")[-1].step
        assert 0 < stopped < 120

        assert bench.submit("two", recipe="stories.yaml") == "two-a2"
        bench.until_committed("two", stopped)
        (driver,) = (
            one
            for one in bench.head.processes()
            if {"launcher", "--run-id", "two"} <= set(one.cmdline()) and "sh" not in one.name()
        )
        driver.kill()
        bench.until(lambda: bench.state("two") == "failed", "Ray has seen the driver's end")
        killed = bench.commits("two")[-1].step

        assert bench.submit("two", recipe="stories.yaml") == "two-a3"
        followed = bench.done("logs", "two", "-f")
        print(followed, f"stopped after step {stopped}, killed after step {killed}")
        assert bench.state("two") == "done"
        (line,) = (one for one in followed.splitlines() if one.startswith("going on"))
        assert int(line.split()[4].rstrip(",")) >= killed >= stopped
        assert "trained to step 120" in followed


def test_a_node_that_is_drained_by_the_manifests_own_hook_is_committed_for_and_the_run_goes_on(tmp_path, shared):
    with ray_hosts(tmp_path, ["head", "first", "second"], head_cpus=0, spare="third") as bench:
        bench.write_stories(shared, max_steps=20_000, save_steps=20_000, global_batch_size=16)
        bench.submit("three", recipe="stories.yaml")
        bench.until_trains()
        first, _, third = bench.others
        began = time.monotonic()
        drained = run_hook(bench, first)
        print(f"the hook took {time.monotonic() - began:.0f} s: {drained.stderr}")
        assert drained.returncode == 0, drained.stderr
        bench.until(lambda: any(isinstance(each, Close) for each in bench.entries("three")), "the attempt closes")
        (closed,) = (each for each in bench.entries("three") if isinstance(each, Close))
        (saved,) = bench.commits("three")
        print(closed)
        assert closed.cause == f"drain: committed step {saved.step} (Ray drains first)"

        bench.start(third)  # as KubeRay makes another pod
        bench.until_trains(after=saved.step)
        opened = [each.hosts for each in bench.entries("three") if isinstance(each, Open)]
        assert opened == [("first", "second"), ("second", "third")]
        bench.done("stop", "three")
        bench.until(lambda: bench.state("three") == "done", "the driver has ended")
        assert bench.commits("three")[-1].step > saved.step
        print(bench.done("logs", "three"))


def run_hook(bench: Bench, host: Host) -> subprocess.CompletedProcess[str]:
    """What a pod of a manifest does before it ends."""
    first, *words = lifecycle(submission(profile_of(grace_seconds=60.0)))["preStop"]["exec"]["command"]
    assert first == "python"
    return host.run(sys.executable, *words, folder=bench.folder, environment=bench.environment, within=90)


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []

"""Runs as jobs of a real Ray cluster of two hosts."""

import os
import sys
import time

import pytest

from launcher.backends.kubernetes.termination import lifecycle
from launcher.backends.submission import Submission
from launcher.checkpoint.entries import Close
from tests.backends.kubernetes.submissions import profile_of, submission
from tests.backends.ray_jobs.ray_hosts import PLANTED, ray_hosts

pytestmark = pytest.mark.slow


def test_a_run_is_submitted_followed_to_its_end_and_submitted_only_once(tmp_path):
    with ray_hosts(tmp_path) as bench:
        began = time.monotonic()
        assert bench.submit("one") == "one-a1"
        again = bench.launcher("submit", "small.yaml", "--cluster", "ray.yaml", "--run-id", "one")
        assert again.returncode in (2, 4)
        assert "one-a1" in again.stderr
        assert bench.state("one") in ("starting", "running")
        words = [word for host in bench.hosts for one in host.processes() for word in one.cmdline()]
        followed = bench.done("logs", "one", "--follow")
        print(followed, f"{time.monotonic() - began:.0f} s from the submission to the end")
        assert f"run       {tmp_path}/runs/one" in followed
        assert bench.state("one") == "done"
        assert bench.done("logs", "one").splitlines() == followed.splitlines()
        (closed,) = (one for one in bench.entries("one") if isinstance(one, Close))
        assert closed.exit_code == 0
        described = bench.head.run(sys.executable, "-c", JOBS, environment=bench.environment).stdout
        assert "one-a1" in described
        assert PLANTED not in described + followed + " ".join(words)
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and os.access(path, os.R_OK)]
        assert not [path for path in kept if PLANTED.encode() in path.read_bytes()]
        for host in bench.hosts:  # what Ray keeps of itself
            assert host.run("grep", "-rlIF", PLANTED, "/tmp/ray").returncode == 1
        ended = bench.launcher("cancel", "one")
        assert ended.returncode == 2
        assert "no job of this run is alive" in ended.stderr


def test_a_run_that_was_stopped_or_whose_driver_was_killed_goes_on_when_it_is_submitted_again(tmp_path):
    with ray_hosts(tmp_path) as bench:
        longer = ("training.max_steps=400", "training.save_steps=20")
        assert bench.submit("two", *longer) == "two-a1"
        bench.until_committed("two")
        bench.done("stop", "two")
        bench.until(lambda: bench.state("two") == "done", "the driver has ended")
        stopped = bench.commits("two")[-1].step
        assert 0 < stopped < 400

        assert bench.submit("two", *longer) == "two-a2"
        bench.until_committed("two", stopped)
        (driver,) = (
            one
            for one in bench.head.processes()
            if {"launcher", "--run-id", "two"} <= set(one.cmdline()) and "sh" not in one.name()
        )
        driver.kill()
        bench.until(lambda: bench.state("two") == "failed", "Ray has seen the driver's end")
        killed = bench.commits("two")[-1].step

        assert bench.submit("two", *longer) == "two-a3"
        followed = bench.done("logs", "two", "-f")
        print(followed)
        assert bench.state("two") == "done"
        (line,) = (one for one in followed.splitlines() if one.startswith("going on"))
        assert int(line.split()[4].rstrip(",")) >= killed >= stopped
        assert "trained to step 400" in followed


def test_a_node_drained_by_the_manifests_own_hook_is_committed_for(tmp_path):
    with ray_hosts(tmp_path, wait_minutes=0.5) as bench:
        bench.submit("three", "training.max_steps=2000", "training.save_steps=20")
        bench.until_committed("three")
        hook = lifecycle(grace_of(60.0))["preStop"]["exec"]["command"]
        assert hook[0] == "python"
        drained = bench.others[0].run(
            sys.executable, *hook[1:], folder=tmp_path, environment=bench.environment, within=90
        )
        print(drained.stdout, drained.stderr)
        assert drained.returncode == 0, drained.stderr
        before = max(each.step for each in bench.commits("three"))
        bench.until(lambda: any(isinstance(each, Close) for each in bench.entries("three")), "the attempt closes")
        (closed, *_) = (each for each in bench.entries("three") if isinstance(each, Close))
        print(closed)
        assert "drain" in closed.cause
        assert max(each.step for each in bench.commits("three")) >= before
        bench.launcher("cancel", "three")


def grace_of(seconds: float) -> Submission:
    return submission(profile_of(grace_seconds=seconds))


JOBS = """
from ray.job_submission import JobSubmissionClient
print(JobSubmissionClient("http://10.77.0.10:8265").list_jobs())
"""

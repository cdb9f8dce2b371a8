"""Training as a job of a real Slurm on two nodes, from one command to the end."""

import re
import sys

import pytest
import yaml

from launcher.checkpoint.entries import Close, Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.backends.slurm.conftest import write_profile
from tests.backends.slurm.test_slurm_submit import WITHIN_S, launcher, output_of, submit
from tests.nodes.slurm_on import Cluster, until
from tests.small import SMALL

pytestmark = pytest.mark.slow


def entries(slurm: Cluster, run_id: str, kind: type) -> list:
    store = Store.open(str(slurm.folder / "runs" / run_id))
    return [entry for entry in Journal(store).entries() if isinstance(entry, kind)]


def until_gone(slurm: Cluster, run_id: str, within: float = WITHIN_S) -> None:
    until(lambda: f" {run_id} " not in slurm.queue(), f"the end of {run_id}", within, every=0.5)


def nothing_left(slurm: Cluster) -> None:
    """No process of a job, and nothing of it on a node's disk or in the folder of jobs."""
    for node in slurm.nodes:
        until(lambda node=node: {one.name() for one in node.processes()} <= {"slurmd"}, f"only slurmd on {node.name}")
        assert node.run("sh", "-c", "ls -d /tmp/ll-* /tmp/ray /dev/shm/* 2>/dev/null").stdout == ""
    assert [path.name for path in (slurm.folder / "jobs").iterdir()] == ["output"]


def test_one_command_trains_on_two_nodes_to_the_end_and_leaves_nothing(slurm):
    write_profile(slurm, "plain.yaml", environment={"WORD": "it's here"}, secrets=["SECRET_WORD"])
    done = launcher(
        *(slurm, "submit", "small.yaml", "--cluster", "plain.yaml", "--run-id", "whole"),
        more={"SECRET_WORD": "plugh"},
    )
    assert done.code == 0, done.err
    place = str(slurm.folder / "runs" / "whole")
    try:
        until(lambda: "running" in launcher(slurm, "status", place).out, "running", every=1)
        job = re.search(r"^job +(\d+)$", done.out, re.MULTILINE)[1]
        shown = slurm.run("scontrol", "show", "job", "-dd", job).stdout + slurm.run("squeue", "-o", "%all").stdout
        followed = launcher(slurm, "logs", "-f", place)
        until_gone(slurm, "whole")
        (opened,), (closed,) = entries(slurm, "whole", Open), entries(slurm, "whole", Close)
        assert (closed.cause, closed.exit_code) == ("done", 0)
        assert opened.backend == "slurm"
        assert opened.hosts == ("n1", "n2")
        assert f"job {job} start 0 of testing" in opened.job_id
        assert "accuracy" in followed.out
        assert "plugh" not in shown + followed.out
        assert "done" in launcher(slurm, "runs", str(slurm.folder / "runs")).out
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise


def longer(slurm: Cluster, name: str, **training: object) -> None:
    (slurm.folder / name).write_text(yaml.safe_dump(SMALL | {"training": {**SMALL["training"], **training}}))


def test_stop_commits_and_a_second_submission_goes_on(slurm):
    longer(slurm, "long.yaml", max_steps=100_000, save_strategy="steps", save_steps=50)
    done = launcher(slurm, "submit", "long.yaml", "--cluster", "two.yaml", "--run-id", "paused")
    assert done.code == 0, done.err
    place = str(slurm.folder / "runs" / "paused")
    try:
        until(lambda: entries(slurm, "paused", Commit), "a commit", WITHIN_S, every=1)
        stopped = launcher(slurm, "stop", place)
        assert stopped.code == 0, stopped.err
        until_gone(slurm, "paused")
        (closed,) = entries(slurm, "paused", Close)
        assert closed.exit_code == 0
        assert submit(slurm, "paused", cluster="two.yaml").code == 2  # another recipe
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise


def test_cancel_ends_a_running_job_and_leaves_nothing(slurm):
    longer(slurm, "long.yaml", max_steps=100_000)
    assert launcher(slurm, "submit", "long.yaml", "--cluster", "two.yaml", "--run-id", "unwanted").code == 0
    try:
        until(lambda: entries(slurm, "unwanted", Open), "an attempt", WITHIN_S, every=1)
        assert launcher(slurm, "cancel", str(slurm.folder / "runs" / "unwanted")).code == 0
        until_gone(slurm, "unwanted")
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise


def test_a_time_limit_requeues_the_job_until_it_is_done(slurm):
    longer(slurm, "limited.yaml", max_steps=100_000, save_strategy="steps", save_steps=100)
    write_profile(slurm, "short.yaml", time="3", lead_seconds=20.0)
    assert launcher(slurm, "submit", "limited.yaml", "--cluster", "short.yaml", "--run-id", "limited").code == 0
    try:
        until(lambda: len(entries(slurm, "limited", Open)) >= 2, "a second attempt", WITHIN_S + 120, every=1)
        (first, *_) = entries(slurm, "limited", Close)
        assert first.exit_code == 75, first
        assert entries(slurm, "limited", Commit)
        slurm.run("scancel", "--name=limited")
        until_gone(slurm, "limited")
        assert "time-limit" in output_of(slurm, "limited")
    except BaseException:
        print(slurm.logs())
        raise


def test_cancel_while_machines_are_awaited_leaves_nothing_either(slurm):
    script = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    slurm.nodes[0].run("sh", "-c", f"printf %s '{script}' > /tmp/python; chmod +x /tmp/python").check_returncode()
    write_profile(slurm, "stuck.yaml", python="/tmp/python", wait_minutes=5.0)
    assert submit(slurm, "stuck", cluster="stuck.yaml").code == 0
    until(lambda: "1 of 2 are there" in output_of(slurm, "stuck"), "the driver waits", WITHIN_S)
    assert slurm.nodes[0].run("sh", "-c", "ls -d /tmp/ll-*").stdout.count("\n") == 1
    assert launcher(slurm, "cancel", str(slurm.folder / "runs" / "stuck")).code == 0
    until_gone(slurm, "stuck", within=30)
    nothing_left(slurm)


def test_a_machine_that_never_comes_is_named_in_the_time_that_the_profile_gives(slurm):
    script = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    slurm.nodes[0].run("sh", "-c", f"printf %s '{script}' > /tmp/python; chmod +x /tmp/python").check_returncode()
    write_profile(slurm, "lame.yaml", python="/tmp/python", wait_minutes=0.3)
    assert submit(slurm, "lame", cluster="lame.yaml").code == 0
    until_gone(slurm, "lame")
    told = output_of(slurm, "lame")
    assert "1 of 2 machines with 1 cores came within 0.3 minutes (missing: n2; there: n1)" in told, told
    assert not (slurm.folder / "runs" / "lame" / "journal").exists()
    nothing_left(slurm)


def test_a_preempted_job_commits_and_goes_on_when_the_other_is_done(slurm):
    longer(slurm, "long.yaml", max_steps=100_000)
    write_profile(slurm, "humble.yaml", partition="low", grace_seconds=8.0)
    done = launcher(slurm, "submit", "long.yaml", "--cluster", "humble.yaml", "--run-id", "humble")
    assert done.code == 0, done.err
    try:
        until(lambda: re.search(r"^step +\d+", output_of(slurm, "humble"), re.M), "steps", WITHIN_S, every=1)
        slurm.run("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--wrap=sleep 5").check_returncode()
        until(lambda: len(entries(slurm, "humble", Open)) >= 2, "a second attempt", WITHIN_S, every=1)
        (first, *_) = entries(slurm, "humble", Close)
        assert first.exit_code == 75, first
        assert len(entries(slurm, "humble", Commit)) == 1
        slurm.run("scancel", "--name=humble")
        until_gone(slurm, "humble")
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise

"""Training as a job of a real Slurm on two nodes, from one command to the end."""

import math
import re
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import ray

import launcher as launcher_package
from launcher.chaos.same import compare
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.backends.slurm.conftest import write_profile, write_recipe
from tests.backends.slurm.test_slurm_submit import WITHIN_S, launcher, output_of, submit
from tests.nodes.slurm_on import Cluster, until

pytestmark = pytest.mark.slow
ENDLESS = {"max_steps": 100_000, "save_steps": 10, "save_total_limit": 3, "lr_scheduler_type": "constant"}
"""Ended where all has happened, however fast the machine; until then a step does not depend on how many there are."""
SHIPPED = ("recipes", "cluster", "slurm")
"""Folders of the checkout that are in the wheel."""
WARNED_S = 45.0
"""Before its limit at which a job that asks for 15 s is warned at the earliest."""


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
    assert {path.name for path in (slurm.folder / "jobs").iterdir()} <= {"output"}


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
        followed = launcher(slurm, "logs", "-f", place)
        until_gone(slurm, "whole")
        (opened,), (closed,) = entries(slurm, "whole", Open), entries(slurm, "whole", Close)
        assert (closed.cause, closed.exit_code) == ("done", 0)
        assert opened.backend == "slurm"
        assert opened.hosts == ("n1", "n2")
        assert f"job {job} start 0 of testing" in opened.job_id
        assert "accuracy" in followed.out
        assert "plugh" not in told_of(slurm, job) + followed.out
        assert "done" in launcher(slurm, "runs", str(slurm.folder / "runs")).out
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise


def told_of(slurm: Cluster, job: str) -> str:
    """All that anybody can ask Slurm about a job, its script included."""
    script = slurm.run("scontrol", "write", "batch_script", job, "-").stdout
    assert script.startswith("#!/bin/bash\n"), script
    return slurm.run("scontrol", "show", "job", "-dd", job).stdout + script + slurm.run("squeue", "-o", "%all").stdout


def test_stop_commits_and_the_same_command_goes_on_to_the_end(slurm):
    write_recipe(slurm, "long.yaml", **ENDLESS)
    words = ("submit", "long.yaml", "--cluster", "two.yaml", "--run-id", "paused")
    assert launcher(slurm, *words).code == 0
    place = str(slurm.folder / "runs" / "paused")
    try:
        until(lambda: entries(slurm, "paused", Commit), "a commit", WITHIN_S, every=1)
        told = launcher(slurm, "status", place).out
        assert re.search(r"^slurm +job \d+: running on n\[1-2\]$", told, re.MULTILINE), told
        assert re.search(r"^committed step \d+", told, re.MULTILINE), told
        stopped = launcher(slurm, "stop", place)
        assert stopped.code == 0, stopped.err
        until_gone(slurm, "paused")
        nothing_left(slurm)
        assert submit(slurm, "paused", cluster="two.yaml").code == 2  # another recipe
        (step,) = (each.step for each in entries(slurm, "paused", Close))
        more = (f"training.max_steps={step + 10}", "--allow-recipe-change", "training.max_steps")
        assert launcher(slurm, *words, *more).code == 0
        until_gone(slurm, "paused")
        assert [(each.ended, each.exit_code) for each in entries(slurm, "paused", Close)] == [("stop", 0), ("done", 0)]
        assert f"going on  after step {step:,}" in output_of(slurm, "paused")
    except BaseException:
        print(slurm.logs())
        raise


def test_cancel_ends_a_running_job_and_leaves_nothing(slurm):
    write_recipe(slurm, "long.yaml", max_steps=100_000)
    assert launcher(slurm, "submit", "long.yaml", "--cluster", "two.yaml", "--run-id", "unwanted").code == 0
    try:
        until(lambda: entries(slurm, "unwanted", Open), "an attempt", WITHIN_S, every=1)
        words = [" ".join(one.cmdline()) for node in slurm.nodes for one in node.processes()]
        (token,) = (slurm.folder / "jobs").glob("*/token")
        assert token.stat().st_mode & 0o777 == 0o600
        assert not any(token.read_text() in each for each in words)
        assert launcher(slurm, "cancel", str(slurm.folder / "runs" / "unwanted")).code == 0
        until_gone(slurm, "unwanted")
        assert entries(slurm, "unwanted", Commit) == []
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise


def pace(slurm: Cluster) -> tuple[float, float]:
    """Of `limited.yaml` on these nodes now: steps a second, and seconds from its submission to the first step."""
    began = datetime.now(UTC)
    words = ("submit", "limited.yaml", "training.max_steps=60", "--cluster", "two.yaml", "--run-id", "pace")
    assert launcher(slurm, *words).code == 0
    until_gone(slurm, "pace")
    store = Store.open(str(slurm.folder / "runs" / "pace"))
    times = [datetime.fromisoformat(event["time"]) for event in read_events(store) if event["kind"] == "step"]
    return (len(times) - 1) / (times[-1] - times[0]).total_seconds(), (times[0] - began).total_seconds()


def test_a_time_limit_requeues_the_job_until_it_is_done_in_the_weights_of_the_undisturbed_run(slurm):
    limited = {"global_batch_size": 16, "save_steps": 20, "save_total_limit": 2}
    write_recipe(slurm, "limited.yaml", **limited, max_steps=1)
    rate, start = pace(slurm)
    minutes = math.ceil((1.5 * start + WARNED_S + 60) / 60)
    steps = int(2.5 * rate * (60 * minutes - start - WARNED_S))
    write_recipe(slurm, "limited.yaml", **limited, max_steps=steps)
    write_profile(slurm, "short.yaml", time=str(minutes), lead_seconds=15.0)
    began = time.monotonic()
    assert launcher(slurm, "submit", "limited.yaml", "--cluster", "short.yaml", "--run-id", "limited").code == 0
    runs = slurm.folder / "runs"
    try:
        until_gone(slurm, "limited", within=1100)
        closes = entries(slurm, "limited", Close)
        print(f"{steps} steps, {len(closes)} attempts of {minutes} min in {time.monotonic() - began:.0f} s")
        print(*entries(slurm, "limited", Open), *closes, sep="\n")
        assert len(closes) >= 3
        assert {(each.ended, each.exit_code) for each in closes[:-1]} == {("time-limit", 75)}
        assert closes[-1].ended == "done"
        calm = ("run", "limited.yaml", f"cluster.storage={runs}", "cluster.workers=2", "--run-id", "calm")
        assert launcher(slurm, *calm, within=1000).code == 0
        alike = compare(*(Store.open(str(runs / name)) for name in ("limited", "calm")))
        print(alike)
        assert (alike.weights, alike.documents, alike.loss) == (True, True, 0.0)
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        launcher(slurm, "cancel", str(runs / "limited"))  # the tests that follow want the nodes
        raise


def on_its_first_node(slurm: Cluster) -> str:
    """A Python that is on n1 alone: n2 never comes."""
    place = "/tmp/python"
    script = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    slurm.nodes[0].run("sh", "-c", f"printf %s '{script}' > {place}; chmod +x {place}").check_returncode()
    return place


def exit_code(slurm: Cluster, run_id: str) -> str:
    output = max((slurm.folder / "jobs" / "output" / run_id).glob("*.out"))
    told = slurm.run("scontrol", "show", "job", output.stem).stdout
    found = re.search(r"ExitCode=(\d+):", told)
    assert found is not None, told
    return found[1]


def test_cancel_while_machines_are_awaited_leaves_nothing_either(slurm):
    write_profile(slurm, "stuck.yaml", python=on_its_first_node(slurm), wait_minutes=5.0)
    assert submit(slurm, "stuck", cluster="stuck.yaml").code == 0
    until(lambda: "1 of 2 are there" in output_of(slurm, "stuck"), "the driver waits", WITHIN_S)
    assert slurm.nodes[0].run("sh", "-c", "ls -d /tmp/ll-*").stdout.count("\n") == 1
    assert launcher(slurm, "cancel", str(slurm.folder / "runs" / "stuck")).code == 0
    until_gone(slurm, "stuck", within=30)
    nothing_left(slurm)


def test_a_machine_that_never_comes_is_named_in_the_time_that_the_profile_gives(slurm):
    write_profile(slurm, "lame.yaml", python=on_its_first_node(slurm), wait_minutes=0.3)
    assert submit(slurm, "lame", cluster="lame.yaml").code == 0
    until_gone(slurm, "lame")
    told = output_of(slurm, "lame")
    assert "1 of 2 machines with 1 cores came within 0.3 minutes (missing: n2; there: n1)" in told, told
    assert exit_code(slurm, "lame") != "0"
    assert not (slurm.folder / "runs" / "lame" / "journal").exists()
    nothing_left(slurm)


def test_a_node_with_other_code_is_named_before_training(slurm):
    newer, checkout = slurm.folder / "newer.zip", Path(launcher_package.__file__).parents[1]
    with zipfile.ZipFile(newer, "w") as packed:
        for file in checkout.glob("launcher/**/*.py"):
            packed.write(file, file.relative_to(checkout))
        for file in (each for name in SHIPPED for each in (checkout / name).rglob("*.*")):
            packed.write(file, "launcher/_shipped" / file.relative_to(checkout))
        packed.writestr("launcher/newer.py", "")
    setup = [f"python3 -m zipfile -e {newer} /tmp/newer", "export PYTHONPATH=/tmp/newer"]
    write_profile(slurm, "newer.yaml", setup=setup)
    assert submit(slurm, "newer", cluster="newer.yaml").code == 0
    until_gone(slurm, "newer")
    told = output_of(slurm, "newer")
    assert re.search(r"machines differ: n2 has launcher \S+ \(\w+\), the driver \S+ \(\w+\)", told), told
    assert not (slurm.folder / "runs" / "newer" / "journal").exists()
    nothing_left(slurm)


@pytest.mark.parametrize(("place", "part"), [(0, "gcs/gcs_server"), (1, "raylet/raylet")])
def test_a_node_whose_ray_does_not_start_is_named_and_ends_the_job_at_once(slurm, place, part):
    node = slurm.nodes[place]
    run_id, program = f"raw-{node.name}", str(Path(ray.__file__).parent / "core/src/ray" / part)
    write_profile(slurm, "raw.yaml", wait_minutes=5.0)
    node.run("mount", "--bind", "/dev/null", program).check_returncode()  # there alone it cannot be started
    try:
        assert submit(slurm, run_id, cluster="raw.yaml").code == 0
        began = time.monotonic()
        until_gone(slurm, run_id, within=150)
        print(f"{run_id}: {time.monotonic() - began:.0f} s")
        told = output_of(slurm, run_id)
        assert re.search(rf"^launcher: {node.name}: Ray did not start: .*Permission denied: .*{part}", told, re.M), told
        assert exit_code(slurm, run_id) == "1"
        assert not (slurm.folder / "runs" / run_id / "journal").exists()
    finally:
        node.run("umount", program).check_returncode()
    nothing_left(slurm)


def test_a_sweep_runs_as_one_array_and_its_runs_stand_side_by_side(slurm):
    secrets = slurm.folder / "secrets"
    secrets.touch(mode=0o600)
    secrets.write_text("SECRET_WORD=plugh\n")
    write_profile(slurm, "one.yaml", nodes=1, cpus_per_node=1, secrets=["SECRET_WORD"], secrets_file=str(secrets))
    sweep = ("--sweep", "training.learning_rate=0.001,0.003")
    done = submit(slurm, "swept", *sweep, cluster="one.yaml")
    assert done.code == 0, done.err
    places = [str(slurm.folder / "runs" / f"swept-{number}") for number in range(2)]
    try:
        until(lambda: slurm.queue().count("swept RUNNING") == 2, "both at once", every=0.5)
        until_gone(slurm, "swept")
        for number in range(2):
            assert [each.cause for each in entries(slurm, f"swept-{number}", Close)] == ["done"]
        compared = launcher(slurm, "compare", *places)
        print(compared.out)
        assert compared.code == 0, compared.err
        assert "0.001" in compared.out
        assert "0.003" in compared.out
        job = re.search(r"^job +(\d+),", done.out, re.MULTILINE)[1]
        assert "plugh" not in told_of(slurm, job) + launcher(slurm, "logs", places[1]).out
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise

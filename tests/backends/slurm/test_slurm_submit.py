"""Submitting to a real Slurm: what is accepted, what is refused, and what nodes find before training."""

import json
import sys
from collections.abc import Sequence

import pytest
import yaml

from launcher.cluster.slurm import Slurm
from tests.backends.slurm.conftest import write_profile
from tests.backends.slurm.rendered import CASES, GOLDEN
from tests.e2e.command import Ended, the_one_line
from tests.nodes.slurm_on import Cluster, until

LAUNCHER = (sys.executable, "-m", "launcher")
WITHIN_S = 600.0
"""For a verb; following a run's output takes as long as the run."""


def launcher(slurm: Cluster, *words: str, more: dict[str, str] | None = None, within: float = WITHIN_S) -> Ended:
    done = slurm.run(*LAUNCHER, *words, more=more, within=within)
    return Ended(done.returncode, done.stdout, done.stderr)


VERBS = """\
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from launcher.cli import main
ended = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    ended.append((code, out.getvalue(), err.getvalue()))
print(json.dumps(ended))
"""


def in_turn(slurm: Cluster, *commands: Sequence[str]) -> list[Ended]:
    """Several verbs in one process: each takes a moment, and starting takes seconds."""
    done = slurm.run(sys.executable, "-c", VERBS, json.dumps(commands), within=WITHIN_S)
    assert done.returncode == 0, done.stderr
    return [Ended(*each) for each in json.loads(done.stdout)]


def submitting(run_id: str, *words: str, cluster: str = "two.yaml") -> list[str]:
    return ["submit", "small.yaml", "--cluster", cluster, "--run-id", run_id, *words]


def submit(slurm: Cluster, run_id: str, *words: str, cluster: str = "two.yaml") -> Ended:
    return launcher(slurm, *submitting(run_id, *words, cluster=cluster))


def output_of(slurm: Cluster, run_id: str) -> str:
    return "".join(file.read_text() for file in (slurm.folder / "jobs" / "output" / run_id).glob("*.out"))


@pytest.mark.parametrize("name", CASES)
def test_slurm_accepts_the_script(slurm, name):
    done = slurm.run("sbatch", "--test-only", stdin=(GOLDEN / f"{name}.sbatch").read_text())
    assert done.returncode == 0, done.stderr
    assert "to start at" in done.stderr


def test_rendering_prints_the_script_and_writes_nothing(slurm):
    done = submit(slurm, "seen", "--render")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("#!/bin/bash\n")
    assert not (slurm.folder / "runs" / "seen").exists()
    assert "seen" not in slurm.queue()


REFUSED = {
    "cluster.partition=nowhere": "cluster.partition",
    "cluster.nodes=5": "cluster",
    "cluster.time=5-0": ("cluster", "cluster.time"),
    "cluster.constraint=quantum": "cluster.constraint",
    "cluster.gres_type=z80": "cluster",
    "cluster.options=['--no-such-option']": "cluster.options",
    "--run-id=my 'run'": "--run-id",
}
"""Words, and the field that is named; one of two where Slurm either refuses a job or lets it wait for ever."""


def test_what_slurm_would_not_run_is_refused_with_the_field(slurm):
    gpu = {each: ["cluster.gpus_per_node=1"] if "gres" in each else [] for each in REFUSED}
    ended = in_turn(slurm, *(submitting("wrong", each, *gpu[each]) for each in REFUSED))
    for done, field in zip(ended, REFUSED.values(), strict=True):
        line = the_one_line(done, 2)
        assert line.partition(": ")[0] in (field if isinstance(field, tuple) else (field,)), line
    assert "wrong" not in slurm.queue()
    left = [path for path in (slurm.folder / "runs" / "wrong").rglob("*") if path.is_file()]
    assert left == [], "nothing is half-written"


def test_a_cluster_that_leaves_too_little_time_is_told(slurm):
    from launcher.backends.slurm.limits import Limits, warnings

    told = slurm.run(
        *(sys.executable, "-c"),
        "from launcher.backends.slurm.limits import read_limits; print(read_limits('low'), read_limits(None))",
    ).stdout
    assert told.strip() == " ".join(2 * [str(Limits(kill_wait_s=10, grace_s=0, requeues=True))])
    profile = Slurm(backend="slurm", time="30")
    assert list(warnings(Limits(10, 0, True), profile, 9.0)) == []
    (line,) = warnings(Limits(10, 5, True), profile, 33.5)
    assert "has 15 s here" in line
    assert len(list(warnings(Limits(10, 0, False), profile, None))) == 1


def test_without_slurm_the_user_is_told_to_render(slurm):
    words = ("submit", "small.yaml", "--cluster", "two.yaml", "--run-id", "away")
    ran = slurm.run("env", "PATH=/nowhere", *LAUNCHER, *words)
    done = Ended(ran.returncode, ran.stdout, ran.stderr)
    assert "--render" in the_one_line(done, 2)
    assert not (slurm.folder / "runs" / "away").exists()


def test_a_secret_that_is_missing_is_told_before_anything_is_submitted(slurm):
    write_profile(slurm, "secret.yaml", secrets=["SECRET_WORD"])
    line = the_one_line(submit(slurm, "secret", cluster="secret.yaml"), 2)
    assert line.startswith("cluster.secrets: SECRET_WORD: not in the environment")
    assert "secret" not in slurm.queue()


def test_nodes_that_cannot_see_the_storage_are_named_before_training(slurm):
    write_profile(slurm, "alone.yaml", storage="/tmp/only-here")
    assert submit(slurm, "alone", cluster="alone.yaml").code == 0
    until(lambda: "alone" not in slurm.queue(), "the job's end", within=60)
    told = output_of(slurm, "alone")
    for node in ("n1", "n2"):
        assert f"launcher: {node}: /tmp/only-here/alone/profile-1.yaml" in told, told
    assert "cluster.storage has to be" in told
    assert list((slurm.folder / "jobs").iterdir()) == [slurm.folder / "jobs" / "output"]


def test_a_sweep_is_one_array_whose_elements_are_runs_of_their_own(slurm):
    blocking = slurm.run("sbatch", "--parsable", "--nodes=2", "--exclusive", "--wrap=sleep 60").stdout.strip()
    runs, sweep = slurm.folder / "runs", ("--sweep", "training.learning_rate=0.001,0.002,0.004")
    done, told, cancelled = in_turn(
        slurm, submitting("rates", *sweep), ["status", f"{runs}/rates-1"], ["cancel", f"{runs}/rates-1"]
    )
    assert done.code == 0, done.err
    found = [yaml.safe_load((runs / f"rates-{number}" / "recipe.yaml").read_text()) for number in range(3)]
    assert [each["training"]["learning_rate"] for each in found] == [0.001, 0.002, 0.004]
    assert "_1: queued" in told.out
    assert cancelled.code == 0
    until(lambda: slurm.queue().count("rates") < 3 or "CANCELLED" in slurm.queue(), "the end of one")
    told, again = in_turn(slurm, ["status", f"{runs}/rates-2"], submitting("rates", *sweep))
    assert "_2: queued" in told.out
    assert "rates" in the_one_line(again, 2)
    slurm.run("scancel", "--name=rates")
    slurm.run("scancel", blocking)


def test_a_job_that_waits_is_seen_and_cancelled_and_its_name_is_free_again(slurm):
    blocking = slurm.run("sbatch", "--parsable", "--nodes=2", "--exclusive", "--wrap=sleep 60").stdout.strip()
    place = str(slurm.folder / "runs" / "patient")
    done, told, again, cancelled = in_turn(
        slurm, submitting("patient"), ["status", place], submitting("patient"), ["cancel", place]
    )
    assert done.code == 0, done.err
    assert "queued" in told.out
    assert "waits for" in told.out
    assert "is job" in the_one_line(again, 2)
    assert cancelled.code == 0
    until(lambda: " patient PENDING" not in slurm.queue(), "the end")
    done, stopped = in_turn(slurm, submitting("patient"), ["stop", place])
    assert done.code == 0, done.err
    assert "out of the queue" in stopped.out
    until(lambda: " patient PENDING" not in slurm.queue(), "the end")
    slurm.run("scancel", blocking)

"""The batch script in a real Slurm, around an agent that only waits for a notice: what is put in the queue again."""

import re
from dataclasses import replace

import pytest

from launcher.backends.slurm.render import render
from launcher.cluster.load import load_profile
from tests.backends.slurm.conftest import write_profile
from tests.backends.slurm.rendered import submission
from tests.backends.slurm.test_slurm_submit import launcher, submit
from tests.nodes.slurm_on import Cluster, until

AGENT = """\
#!/bin/bash
# Hears SIGTERM as a driver does, and the notices as an agent does; commits for a second
job={folder}/jobs/$SLURM_JOB_ID-${{SLURM_RESTART_COUNT:-0}}
leave() {{ sleep 1; echo g7 >$job/exclude; exit "$1"; }}
trap 'leave 75' TERM
test -e $job/notices && touch {folder}/stale-$SLURM_JOB_ID
touch {folder}/begun-$SLURM_JOB_ID-$SLURM_NODEID-${{SLURM_RESTART_COUNT:-0}}
while :; do
    grep -qs -e time-limit -e preemption $job/notices && leave 75
    grep -qs cancel $job/notices && exit 1
    sleep 0.1
done
"""


@pytest.fixture
def job(slurm: Cluster):
    """A job whose agents are there; it is out of the way afterwards."""
    number = begun(slurm, slurm.run("sbatch", "--parsable", stdin=script(slurm)).stdout.strip())
    yield number
    end(slurm, number)


def script(slurm: Cluster) -> str:
    """What `launcher submit` hands to Slurm, without its other work."""
    profile = load_profile(waiting(slurm))
    (slurm.folder / "jobs" / "output" / "moods-1").mkdir(parents=True, exist_ok=True)
    return render(replace(submission("no-gpu"), profile=profile))


def waiting(slurm: Cluster) -> str:
    agent = slurm.folder / "agent"
    agent.write_text(AGENT.format(folder=slurm.folder))
    agent.chmod(0o755)
    write_profile(slurm, "waiting.yaml", python=str(agent), partition="low")
    return str(slurm.folder / "waiting.yaml")


def begun(slurm: Cluster, job: str) -> str:
    until(lambda: len(list(slurm.folder.glob(f"begun-{job}-*-0"))) == 2, "both agents")
    return job


def end(slurm: Cluster, job: str) -> None:
    slurm.run("scancel", "--signal=KILL", "--full", job)
    slurm.run("scancel", job)
    until(lambda: not re.search(rf"^{job} \S+ (?!CANCELLED)", slurm.queue(), re.M), "the end", within=60)


def state(slurm: Cluster, job: str) -> str:
    found = slurm.run("scontrol", "show", "job", job).stdout
    words = dict(word.split("=", 1) for word in found.split() if "=" in word)
    return f"{words['JobState']} {words['Restarts']}"


def reached(slurm: Cluster, job: str, expected: str) -> bool:
    """Whether a job is in a state, or has been: one that waits may be started before one looks."""
    return state(slurm, job) in (expected, expected.replace("PENDING", "RUNNING"))


HOW = {
    "the warning": (("scancel", "--batch", "--signal=USR2"), "PENDING 1"),
    "SIGTERM to its step": (("scancel", "--signal=TERM"), "PENDING 1"),
    "SIGTERM to its shell": (("scancel", "--batch", "--signal=TERM"), "PENDING 1"),
    "its user's scancel": (("scancel",), "CANCELLED 0"),
}


@pytest.mark.parametrize("how", HOW)
def test_after_a_commit_a_job_goes_back_into_the_queue_unless_it_was_cancelled(slurm, job, how):
    words, expected = HOW[how]
    slurm.run(*words, job).check_returncode()
    until(lambda: reached(slurm, job, expected), f"{expected}, and not {state(slurm, job)}", within=60)
    again = f"begun-{job}-*-1"  # Slurm may start it before one looks
    until(
        lambda: not (slurm.folder / "jobs" / f"{job}-0").exists() or list(slurm.folder.glob(again)), "the folder's end"
    )
    assert not (slurm.folder / f"stale-{job}").exists(), "the next start met the notices of the one before"
    if not expected.startswith("CANCELLED"):
        until(lambda: excluded(slurm, job) == "g7", "a bad node is left out", within=20)


def excluded(slurm: Cluster, job: str) -> str:
    """Nodes that the job's next start does without."""
    found = re.search(r"ExcNodeList=(\S+)", slurm.run("scontrol", "show", "job", job).stdout)
    assert found is not None
    return found[1]


def test_a_preempted_job_goes_back_into_the_queue(slurm, job):
    slurm.run("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--wrap=sleep 1").check_returncode()
    until(lambda: reached(slurm, job, "PENDING 1"), "in the queue", within=60)
    until(lambda: excluded(slurm, job) == "g7", "a bad node is left out", within=20)


def test_launcher_cancel_ends_a_job_for_good(slurm):
    done = submit(slurm, "script", cluster=waiting(slurm))
    assert done.code == 0, done.err
    job = begun(slurm, done.out.split("job       ")[1].split()[0])
    assert launcher(slurm, "cancel", str(slurm.folder / "runs" / "script")).code == 0
    # An agent that hears of it may be faster than scancel
    until(lambda: state(slurm, job) in ("CANCELLED 0", "FAILED 0"), "cancelled", within=60)
    end(slurm, job)

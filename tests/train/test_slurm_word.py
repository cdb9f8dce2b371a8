"""Whether Slurm knows that the job which had a run has ended."""

from pathlib import Path

import pytest

from launcher.checkpoint.entries import Open
from launcher.train.slurm_word import job_ended, this_job
from launcher.train.takeover import job_id, process_ended, scheduler


def owner(job: str) -> Open:
    return Open(attempt=1, backend="slurm", job_id=f"{job}; 1 of pid:[1] in boot 0 since 1", hosts=("n1",))


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A queue that says one thing."""

    def says(script: str) -> None:
        tool = tmp_path / "squeue"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)

    for name, value in {"JOB_ID": "8", "RESTART_COUNT": "1", "CLUSTER_NAME": "east"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("PATH", str(tmp_path))
    return says


def test_an_earlier_start_of_the_same_job_has_ended(squeue):
    squeue("exit 1")
    assert this_job() == "job 8 start 1 of east"
    assert job_ended(owner("job 8 start 0 of east")) == "its job 8 was put in the queue again"
    assert job_ended(owner("job 8 start 1 of east")) is None


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo RUNNING", None),
        ("echo COMPLETING", None),
        ("echo FAILED", "its job 7 is FAILED"),
        ("echo PENDING", "its job 7 is PENDING"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "its job 7 is gone"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", None),
    ],
)
def test_another_job_is_asked_about(squeue, script, told):
    squeue(script)
    assert job_ended(owner("job 7 start 0 of east")) == told


def test_a_job_of_another_cluster_or_of_none_is_not_asked_about(squeue):
    squeue("echo FAILED")
    assert job_ended(owner("job 7 start 0 of west")) is None
    assert job_ended(Open(attempt=1, backend="local", job_id="7 of x since 3", hosts=("a",))) is None


def test_without_squeue_nothing_is_known(squeue):
    assert job_ended(owner("job 7 start 0 of east")) is None


def test_a_process_is_known_by_itself_inside_of_a_job_too(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "8")
    assert scheduler("local") == "slurm"
    assert job_id().startswith("job 8 start 0 of slurm; ")
    alive = Open(attempt=1, backend="slurm", job_id=job_id(), hosts=("n1",))
    assert process_ended(alive) is None
    began = job_id().rpartition(" ")[2]
    dead = Open(attempt=1, backend="slurm", job_id=job_id().replace(began, "1"), hosts=("n1",))
    assert "has ended" in (process_ended(dead) or "")

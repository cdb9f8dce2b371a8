"""What Slurm says of the job that had a run: the scheduler's own word that it has ended."""

import os
import re
import subprocess

from launcher.checkpoint.entries import Open

SLURM = "slurm"
ENDED = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
"""A job that is in the queue again runs nothing."""
JOB = re.compile(r"job (\d+) start (\d+) of ([^\s;]+)")
UNKNOWN_JOB = "Invalid job id"
WITHIN_S = 30.0


def this_job() -> str | None:
    """The job that this process runs in, which of its starts this is, and the cluster; None outside of Slurm."""
    if "SLURM_JOB_ID" not in os.environ:
        return None
    cluster = os.environ.get("SLURM_CLUSTER_NAME", "slurm")
    return f"job {os.environ['SLURM_JOB_ID']} start {os.environ.get('SLURM_RESTART_COUNT', '0')} of {cluster}"


def job_ended(owner: Open) -> str | None:
    """Known to have ended as this is a later start of its job, or as Slurm has it no more.

    Slurm on another cluster is not asked, as numbers of jobs mean something else there.
    """
    told, here = JOB.match(owner.job_id), JOB.match(this_job() or "")
    if told is None or here is None or told[3] != here[3]:
        return None
    if told[1] == here[1]:
        return f"its job {told[1]} was put in the queue again" if int(told[2]) < int(here[2]) else None
    state = _state(told[1])
    return f"its job {told[1]} is {state}" if state in {"gone", *ENDED, *WAITING} else None


def _state(job: str) -> str | None:
    """Slurm's name of a job's state, `gone` for one that it does not have; None where it cannot be asked."""
    try:
        asked = subprocess.run(
            ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"],
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    if asked.returncode:
        return "gone" if UNKNOWN_JOB in asked.stderr else None
    return asked.stdout.strip() or "gone"

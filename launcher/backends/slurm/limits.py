"""How much time a cluster leaves a job that has to go, against what a commit takes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from launcher.backends.slurm.tools import call
from launcher.cluster.slurm import Slurm

PAIR = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)
SECONDS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the controller is set to."""

    kill_wait_s: int
    """Between SIGTERM and SIGKILL."""
    grace_s: int
    """Between a preemption's notice and its SIGTERM; of the partition."""
    requeues: bool
    """Whether jobs are put in the queue again when their node fails."""


def read_limits(partition: str | None) -> Limits:
    """Ask the controller, twice at the most.

    Raises:
        LauncherError: it does not answer.
    """
    config = dict(PAIR.findall(call("scontrol", "show", "config")))
    grace = 0
    if partition is not None and "," not in partition:
        told = call("scontrol", "show", "partition", partition)
        found = re.search(r"GraceTime=(\d+)", told)
        grace = int(found[1]) if found else 0
    return Limits(_seconds(config, "KillWait"), grace, config.get("JobRequeue", "1") == "1")


def warnings(limits: Limits, profile: Slurm, lead_s: float | None) -> Iterator[str]:
    """What may end a job without a commit, a line each.

    Args:
        lead_s: Seconds that a step and a commit take; None where the plan does not know.
    """
    room = limits.grace_s + limits.kill_wait_s
    if lead_s is not None and room < lead_s:
        yield (
            f"a preempted job has {room} s here (GraceTime {limits.grace_s} s, KillWait {limits.kill_wait_s} s), and a "
            f"commit takes about {lead_s:.0f} s: a preemption may lose the steps since the last commit; save more often"
        )
    if not limits.requeues and profile.requeue:
        yield (
            "JobRequeue is 0 here: Slurm may refuse to put the job in the queue again by itself; submit it again then"
        )


def _seconds(config: Mapping[str, str], name: str) -> int:
    found = SECONDS.match(config.get(name, ""))
    return int(found[1]) if found else 0

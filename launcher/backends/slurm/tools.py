"""Slurm's commands, and what they say when they refuse."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.errors import InvalidInput, LauncherError

WITHIN_S = 60.0
OWN = ("SBATCH_", "SLURM_", "SRUN_", "SQUEUE_", "SCANCEL_")
"""Variables of theirs that would win over what a script says; where the cluster is stays."""
KEPT = ("SLURM_CONF", "SLURM_JWT")
REFUSALS = (
    ("invalid partition", "cluster.partition", "see sinfo for the partitions there are"),
    ("node count specification invalid", "cluster.nodes", "ask for fewer nodes, or another partition"),
    ("requested node configuration is not available", "cluster", "see sinfo -N -l for what nodes have"),
    ("invalid account", "cluster.account", "see sacctmgr show associations"),
    ("invalid qos", "cluster.qos", "see sacctmgr show qos"),
    ("invalid feature", "cluster.constraint", "see sinfo -o %f for the features of nodes"),
    ("requested time limit", "cluster.time", "see sinfo -o '%P %l' for the limits of partitions"),
    ("invalid time limit", "cluster.time", "write hours:minutes:seconds"),
    ("requested reservation", "cluster.reservation", "see scontrol show reservations"),
    ("invalid node name", "cluster.exclude", "see sinfo for the names of nodes"),
    ("invalid generic resource", "cluster.gres_type", "see sinfo -o %G for what nodes have"),
    ("invalid trackable resource", "cluster.gres_type", "see sinfo -o %G for what nodes have"),
    ("unrecognized option", "cluster.options", "see sbatch --help"),
)
"""What Slurm says in part, the field that it is about, and what to do."""
HELD_FOR_EVER = {
    "PartitionTimeLimit": ("cluster.time", "it is over the partition's limit; see sinfo -o '%P %l'"),
    "PartitionConfig": (
        "cluster",
        "cluster.time or cluster.nodes is over the partition's limits; see scontrol show partition",
    ),
    "PartitionNodeLimit": ("cluster.nodes", "the partition has not so many nodes"),
    "BadConstraints": ("cluster.constraint", "no node fits it"),
    "PartitionDown": ("cluster.partition", "it is down"),
    "AccountNotAllowed": ("cluster.account", "the partition does not take it"),
    "QOSNotAllowed": ("cluster.qos", "the partition does not take it"),
}
"""Reasons for which Slurm takes a job and then never starts it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A line of the queue."""

    id: str
    """As commands take it: of an element of an array `<array>_<element>`."""
    number: str
    """`SLURM_JOB_ID` in the job."""
    name: str
    state: str
    """Slurm's word."""
    reason: str
    nodes: str
    left: str
    """Of its time limit."""
    start: str
    """When it began, or is expected to; `N/A` where nobody knows."""
    element: str
    """Of an array; `N/A` where it is none."""


FIELDS = ("%i", "%A", "%j", "%T", "%r", "%N", "%L", "%S", "%K")


def call(*words: str, stdin: str | None = None) -> str:
    """What a command prints.

    Raises:
        InvalidInput: the command is not here, or refuses what it was given.
        LauncherError: it failed otherwise.
    """
    environment = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(OWN)}
    try:
        done = subprocess.run(
            words, input=stdin, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
    except FileNotFoundError:
        raise InvalidInput(
            f"{words[0]} is not on this machine: submit from a login node of the cluster, or print what to submit "
            "there with launcher submit --render"
        ) from None
    except subprocess.TimeoutExpired:
        raise LauncherError(f"{words[0]} did not answer within {WITHIN_S:.0f} s; is the controller up?") from None
    if done.returncode:
        raise refusal(words[0], done.stderr or done.stdout)
    return done.stdout


def refusal(tool: str, said: str) -> LauncherError:
    """What Slurm said, with the field that it is about where that is known."""
    line = "; ".join(" ".join(each.split()).removeprefix(f"{tool}: error: ") for each in said.splitlines() if each)
    for part, field, mend in REFUSALS:
        if part in line.lower():
            return InvalidInput(f"{field}: Slurm refuses it: {line}; {mend}")
    return LauncherError(f"{tool}: {line or 'it failed without a word'}")


def jobs_named(names: Sequence[str]) -> list[Job]:
    """This user's jobs of these names that Slurm still has, in the order of their numbers."""
    format_ = "|".join(FIELDS)
    told = call(
        *("squeue", "--noheader", "--me", "--states=all", "--array", f"--name={','.join(names)}", f"--format={format_}")
    )
    jobs = [Job(*line.split("|")) for line in told.splitlines() if line.count("|") == len(FIELDS) - 1]
    return sorted(jobs, key=lambda job: [int(part) for part in job.id.split("_") if part.isdigit()])


def node_names() -> set[str]:
    """Of every node that Slurm has."""
    return set(call("sinfo", "--all", "--noheader", "--Node", "--format=%N").split())

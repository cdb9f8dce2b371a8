"""A submission -> what Ray's Jobs API is asked for: pure, so that what is printed is what is sent."""

import shlex
from dataclasses import dataclass, field

import yaml

from launcher import __version__
from launcher.backends.pasted import refuse_told_secrets, refuse_unplain, refuse_variables
from launcher.backends.submission import Submission, local_paths
from launcher.cluster.ray import Ray
from launcher.errors import InvalidInput

RUN, NONCE = "launcher_run", "launcher_nonce"
"""Keys of a job's metadata: the run it belongs to, and what tells one submission's job from any other's."""


@dataclass(frozen=True, slots=True)
class Request:
    """Without resources, so that Ray starts the driver on the head, which stays when workers go."""

    submission_id: str
    entrypoint: str
    metadata: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    """Of the driver and all that it starts; no secrets, as Ray shows it to everyone."""
    working_dir: str | None = None
    excludes: tuple[str, ...] = ()


def request(submission: Submission, number: int) -> Request:
    """What is asked for.

    Args:
        number: Of the run's job in this cluster, from 1.

    Raises:
        InvalidInput: a word would be taken apart by a shell, a variable looks like a secret, or the cluster's machines
            cannot find a path.
    """
    profile = submission.profile
    assert isinstance(profile, Ray)
    refuse_told_secrets(profile.environment, profile.storage)
    refuse_variables(profile.environment)
    _check_places(submission)
    refuse_unplain("--run-id", [submission.run_id])
    refuse_unplain("cluster.storage", [submission.run_url])
    refuse_unplain("--allow-recipe-change", submission.may_change)
    refuse_unplain("cluster.python", [profile.python])
    return Request(
        submission_id=job_id(submission.run_id, number),
        entrypoint=shlex.join([profile.python, "-m", "launcher", *submission.arguments]),
        metadata={RUN: submission.run_id, "launcher_run_url": submission.run_url, "launcher_version": __version__},
        environment={"PYTHONUNBUFFERED": "1", **profile.environment},
        working_dir=profile.working_dir,
        excludes=tuple(profile.excludes),
    )


def job_id(run_id: str, number: int) -> str:
    """Ray takes an id once, which keeps two submissions at the same time from becoming two jobs."""
    return f"{run_id}-a{number}"


def request_yaml(made: Request) -> str:
    environment: dict[str, object] = {"env_vars": made.environment}
    if made.working_dir is not None:
        environment |= {"working_dir": made.working_dir, "excludes": list(made.excludes)}
    told = {
        "submission_id": made.submission_id,
        "entrypoint": made.entrypoint,
        "runtime_env": environment,
        "metadata": made.metadata,
    }
    return yaml.safe_dump(told, sort_keys=False, width=120)


def _check_places(submission: Submission) -> None:
    """The driver starts in a folder of Ray's, on another machine."""
    places = [("cluster.storage", submission.profile.storage), *local_paths(submission.recipe)]
    relative = [f"{key}: {place}" for key, place in places if "://" not in place and not place.startswith("/")]
    if relative:
        raise InvalidInput(
            f"{'; '.join(relative)}: the cluster's machines are elsewhere; give a URL such as s3://bucket/folder, or a "
            "whole path that all of them see"
        )

"""Machines on the ledger of bad hosts are left out of what is submitted."""

import sys
from dataclasses import replace

from launcher.backends.submission import Submission
from launcher.cluster.profile import Kubernetes, Profile, Slurm
from launcher.ledger.hosts import bad_hosts


def without_bad_hosts(submission: Submission) -> Submission:
    """The submission with the ledger's hosts excluded; says which. Ray's own clusters are as they are.

    Raises:
        LauncherError: the ledger cannot be read, or makes no sense.
    """
    profile = submission.profile
    if not isinstance(profile, Slurm | Kubernetes):
        return submission
    bad = bad_hosts(profile.storage)
    for host, why in bad.items():
        print(f"left out  {host}: {why}", file=sys.stderr)
    return replace(submission, profile=_excluding(profile, list(bad))) if bad else submission


def _excluding(profile: Slurm | Kubernetes, hosts: list[str]) -> Profile:
    if isinstance(profile, Slurm):
        return profile.model_copy(update={"exclude": ",".join(filter(None, [profile.exclude, *hosts]))})
    return profile.model_copy(update={"exclude_hosts": [*profile.exclude_hosts, *hosts]})

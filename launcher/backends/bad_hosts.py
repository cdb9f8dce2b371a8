"""Machines on the ledger of bad hosts are left out of what is submitted."""

import sys
from dataclasses import replace

from launcher.backends.slurm.tools import node_names
from launcher.backends.submission import Submission
from launcher.cluster.profile import Kubernetes, Profile, Slurm
from launcher.ledger.hosts import bad_hosts


def without_bad_hosts(submission: Submission) -> Submission:
    """The submission with the ledger's hosts excluded; says which. Ray's own clusters are as they are.

    Raises:
        LauncherError: the ledger cannot be read, or makes no sense, or Slurm does not answer.
    """
    profile = submission.profile
    if not isinstance(profile, Slurm | Kubernetes):
        return submission
    bad = bad_hosts(profile.storage)
    if bad and isinstance(profile, Slurm):  # which refuses a whole list for a name that it does not know
        known = node_names()
        for host in bad.keys() - known:
            print(f"no node   {host}: it is on the ledger of bad hosts, and not in this cluster", file=sys.stderr)
        bad = {host: why for host, why in bad.items() if host in known}
    for host, why in bad.items():
        print(f"left out  {host}: {why}", file=sys.stderr)
    return replace(submission, profile=_excluding(profile, list(bad))) if bad else submission


def _excluding(profile: Slurm | Kubernetes, hosts: list[str]) -> Profile:
    if isinstance(profile, Slurm):
        return profile.model_copy(update={"exclude": ",".join(filter(None, [profile.exclude, *hosts]))})
    return profile.model_copy(update={"exclude_hosts": [*profile.exclude_hosts, *hosts]})

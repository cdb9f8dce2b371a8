"""What a profile may not ask for together, told in the profile's own words before anything is rendered."""

from collections.abc import Callable
from dataclasses import dataclass

from launcher.backends.pasted import refuse_told_secrets, refuse_variables
from launcher.backends.submission import Submission, local_paths
from launcher.cluster.kubernetes import Kubernetes, Volume
from launcher.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Clash:
    field: str
    holds: Callable[[Kubernetes], bool]
    told: str
    """Why it cannot be, and the mend."""


CLASHES = (
    Clash(
        "cluster.deletion_rules",
        lambda it: bool(it.deletion_rules) and it.keep_seconds is not None,
        "KubeRay takes these or a time to keep pods, not both; leave out keep_seconds",
    ),
    Clash(
        "cluster.deletion_rules",
        lambda it: bool(it.deletion_rules) and it.kueue is not None,
        "Kueue suspends a job, for which KubeRay wants pods to be shut down at the end; use keep_seconds",
    ),
    Clash(
        "cluster.kueue",
        lambda it: it.kueue is not None and it.volcano is not None,
        "a job waits in one queue; leave out kueue or volcano",
    ),
    Clash(
        "cluster.elastic",
        lambda it: it.elastic is not None and it.kueue is not None,
        "Kueue admits a job of one size; leave out elastic or kueue",
    ),
    Clash(
        "cluster.elastic",
        lambda it: it.elastic is not None and not it.elastic.min_nodes <= it.nodes <= it.elastic.max_nodes,
        "nodes has to lie between min_nodes and max_nodes",
    ),
    Clash(
        "cluster.secret",
        lambda it: bool(it.secrets) and it.secret is None,
        "secrets names variables, and nothing says which Secret has them; give its name",
    ),
    Clash(
        "cluster.environment",
        lambda it: bool(set(it.secrets) & set(it.environment)),
        "a variable of secrets has a value here too; leave it out here",
    ),
)


def check_profile(submission: Submission, profile: Kubernetes) -> None:
    """Make sure that the profile can be rendered, and that pods will see all that the recipe names.

    Raises:
        InvalidInput: with the first thing that is wrong.
    """
    for clash in CLASHES:
        if clash.holds(profile):
            raise InvalidInput(f"{clash.field}: {clash.told}")
    for number, volume in enumerate(profile.volumes):
        _check_volume(f"cluster.volumes.{number}", volume)
    refuse_told_secrets(profile.environment, profile.storage)
    refuse_variables(profile.environment)
    _check_places(submission, profile)


def _check_volume(field: str, volume: Volume) -> None:
    given = [name for name in ("claim", "empty_gib", "host_path") if getattr(volume, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise InvalidInput(f"{field}: expected one of claim, empty_gib and host_path, found {found}")
    if volume.memory and given != ["empty_gib"]:
        raise InvalidInput(f"{field}.memory: only an empty folder can be kept in memory; give empty_gib")


def _check_places(submission: Submission, profile: Kubernetes) -> None:
    """Pods share no disk with this machine, but for volumes."""
    seen = [f"{one.mount.rstrip('/')}/" for one in profile.volumes if one.empty_gib is None]
    unseen = [
        f"{key}: {place}"
        for key, place in [("cluster.storage", submission.run_url), *local_paths(submission.recipe)]
        if "://" not in place and not any(place.startswith(mount) for mount in seen)
    ]
    if unseen:
        raise InvalidInput(
            f"{'; '.join(unseen)}: pods do not see this machine's disks; give a URL such as s3://bucket/folder, or a "
            "path on one of cluster.volumes"
        )

"""The Ray cluster that a run works in: one of its own on this machine, or one that is there already."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from launcher.cluster.common import ManyNodes
from launcher.cluster.profile import Profile
from launcher.plan.placement import Placement


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a Ray cluster."""

    id: str
    """Ray's."""
    host: str
    address: str

    @property
    def selector(self) -> dict[str, str]:
        """Ray's label selector that this machine alone fits."""
        return {"ray.io/node-id": self.id}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster at hand, and how its workers are started."""

    scratch: Path
    """A folder on the driver's disk, removed at the end."""
    nodes: tuple[Node, ...] = ()
    """Machines to train on, in the order of their ranks; empty on this machine alone."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the environment of every worker has besides its machine's own."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a worker's machine may lack. Never part of a job's description, which Ray shows to anyone."""

    def selectors(self, workers: int) -> list[dict[str, str]] | None:
        """Ray's label selector of each worker: equally many on each machine, one machine after the other."""
        if not self.nodes:
            return None
        each, rest = divmod(workers, len(self.nodes))
        assert rest == 0, (workers, self.nodes)
        return [node.selector for node in self.nodes for _ in range(each)]


@contextmanager
def cluster_for(
    profile: Profile, placement: Placement, run_url: str, tell: Callable[[str], None], *, quantised: bool = False
) -> Iterator[Cluster]:
    """The cluster that a profile says; what was started for it goes at the end.

    Args:
        quantised: Whether the base is: processes of a cluster on this machine prepare for it.

    Raises:
        InvalidInput: there is none to attach to, or its machines do not fit the profile or cannot reach the run.
        LauncherError: machines did not come in time.
    """
    if isinstance(profile, ManyNodes):
        from launcher.train.ray_cluster import attached

        with attached(profile, run_url, tell) as cluster:
            yield cluster
    else:
        from launcher.train.ray_local import local_ray

        with local_ray(placement, profile.environment, warm=True, quantised=quantised) as scratch:
            yield Cluster(scratch)

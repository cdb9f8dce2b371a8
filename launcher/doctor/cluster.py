"""The machines of a profile's Ray cluster, as the driver of a run would have them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from launcher.cluster.common import ManyNodes
from launcher.doctor.nodes import Nodes
from launcher.doctor.ray_nodes import START_S, scouts_on
from launcher.doctor.verdict import Verdict
from launcher.errors import LauncherError
from launcher.train.ray_cluster import connected, usable_nodes, wait_for_nodes

NAME = "machines"


@contextmanager
def machines_of(profile: ManyNodes, tell: Callable[[str], None]) -> Iterator[tuple[Nodes | None, list[Verdict]]]:
    """All usable machines of the cluster at `RAY_ADDRESS`, spare ones too, and what is to say of their number.

    Raises:
        InvalidInput: no address is given.
        LauncherError: the cluster does not answer.
    """
    with connected(profile):
        missing = []
        try:
            wait_for_nodes(profile, {}, tell)
        except LauncherError as error:
            missing.append(
                Verdict(NAME, "fail", "", str(error), f"{profile.nodes} machines", "start those that are missing")
            )
        nodes = usable_nodes(profile)
        if not nodes:
            yield None, missing
            return
        with scouts_on(nodes, profile, profile.environment) as found:
            yield found, [*missing, *_counted(found.hosts, list(found.scouts), profile)]


def _counted(hosts: tuple[str, ...], alive: list[str], profile: ManyNodes) -> Iterator[Verdict]:
    silent = [host for host in hosts if host not in alive]
    for host in silent:
        mend = "see its Ray logs; where its GPUs are taken, wait for them or end what has them"
        yield Verdict(NAME, "fail", host, f"no worker started within {START_S:.0f} s", "a worker", mend)
    if len(alive) >= profile.nodes:
        found = f"{len(alive)}: {', '.join(alive)}"
        yield Verdict(NAME, "ok", "", found, f"{profile.nodes} machines", figure=len(alive), unit="machines")

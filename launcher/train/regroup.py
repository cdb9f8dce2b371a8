"""Between two attempts, and while one trains on fewer machines than the profile wants: which machines come next."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from launcher.cluster.common import ManyNodes
from launcher.cluster.slurm import Slurm
from launcher.errors import EXIT_AGAIN, InvalidInput, LauncherError
from launcher.interrupt.notice import Notice
from launcher.interrupt.watch import Source, watched
from launcher.ledger.hosts import bad_hosts
from launcher.train.choose_nodes import to_avoid
from launcher.train.cluster import Cluster, Node
from launcher.train.making_job import Party
from launcher.train.ready_run import Run

STEADY_S = 30.0
"""So long machines have to be there before the run grows: a restart costs time too."""


class TooFew(LauncherError):
    """Machines are missing; the scheduler may give others to the next start."""

    exit_code = EXIT_AGAIN


def regroup(run: Run, party: Party, avoid: Collection[str]) -> Party:
    """The machines of the next attempt: all that the profile wants, or at once fewer where it allows that.

    Args:
        avoid: Hosts to leave out where the others are enough.

    Raises:
        InvalidInput: machines do not fit together, or cannot read the run directory.
        TooFew: not enough came in time, or not enough that are fit, and the scheduler gives others.
    """
    if not isinstance(run.profile, ManyNodes):
        return party
    from launcher.train.ray_cluster import gathered

    scratch, url = party.cluster.scratch, run.store.location
    avoid = to_avoid(url, run.profile.retries.same_host) | set(avoid)
    try:
        cluster = gathered(run.profile, url, scratch, run.screen.line, avoid=avoid, at_once=True)
    except InvalidInput:
        raise
    except LauncherError as error:
        raise TooFew(f"{error}; to go on, start the run again") from error
    if isinstance(run.profile, Slurm) and run.profile.requeue:
        _refuse_bad(cluster, bad_hosts(run.profile.storage))
    if cluster.nodes != party.cluster.nodes:
        hosts = ", ".join(node.host for node in cluster.nodes)
        run.screen.line(f"machines  {len(cluster.nodes)} of {run.profile.nodes}: {hosts}")
    return party.on(cluster)


def _refuse_bad(cluster: Cluster, bad: Mapping[str, str]) -> None:
    for node in cluster.nodes:
        if node.host in bad:
            told = "is on the ledger of bad hosts, and no other stands in for it here: the job's next start gets others"
            raise TooFew(f"{node.host} {told}")


@contextmanager
def growing(run: Run, party: Party) -> Iterator[None]:
    """While this lasts, machines that come give a notice, where the run has fewer than it wants and can commit."""
    profile = run.profile
    if (
        not isinstance(profile, ManyNodes)
        or len(party.cluster.nodes) >= profile.nodes
        or run.recipe.training.saving == "no"
    ):
        yield
        return
    avoid = to_avoid(run.store.location, profile.retries.same_host)
    source = growth(profile, party.cluster.nodes, avoid)
    with watched(run.inbox, {"more machines": source}, run.screen.line):
        yield


def growth(profile: ManyNodes, nodes: Collection[Node], avoid: Collection[str]) -> Source:
    """Asks the cluster for machines that are not among those that train, and gives a notice once they stay."""
    from launcher.train.ray_cluster import usable_nodes

    since: dict[Node, float] = {}

    def asked() -> Notice | None:
        others = [each for each in usable_nodes(profile) if each not in nodes and each.host not in avoid]
        for gone in since.keys() - set(others):
            del since[gone]
        now = time.monotonic()
        hosts = tuple(each.host for each in others if now - since.setdefault(each, now) >= STEADY_S)
        return Notice("grow", f"{', '.join(hosts)} can train too", nodes=hosts) if hosts else None

    return asked

"""Which machines of a cluster to train on: those on which this run has not failed yet come first."""

from collections import Counter
from collections.abc import Mapping, Sequence

from launcher.checkpoint.entries import Close
from launcher.checkpoint.journal import Journal
from launcher.cluster.common import ManyNodes
from launcher.cluster.slurm import Slurm
from launcher.storage.store import Store
from launcher.train.cluster import Node

SPARES_S = 30.0
"""Once enough machines are there, seconds for the spare ones, where they could stand in for one that failed before."""


def failures_by_host(run_url: str) -> Counter[str]:
    """How often attempts of a run have failed on each host, by its journal."""
    closes = [entry for entry in Journal(Store.open(run_url)).entries() if isinstance(entry, Close)]
    return Counter(entry.host for entry in closes if entry.host is not None)


def chosen(
    usable: Sequence[Node], profile: ManyNodes, failed: Mapping[str, int], enough_s: float
) -> tuple[Node, ...] | None:
    """The machines to train on, in the order of their names; None while there are not enough, or better may come.

    Args:
        failed: How often the run has failed on a host.
        enough_s: Since when there are enough, in seconds.
    """
    if len(usable) < profile.nodes:
        return None
    best = sorted(usable, key=lambda node: (failed.get(node.host, 0), node.host, node.address))[: profile.nodes]
    spares = profile.spares if isinstance(profile, Slurm) else 0
    doubtful = any(failed.get(node.host, 0) for node in best)
    if doubtful and len(usable) < profile.nodes + spares and enough_s < SPARES_S:
        return None
    return tuple(sorted(best, key=lambda node: (node.host, node.address)))

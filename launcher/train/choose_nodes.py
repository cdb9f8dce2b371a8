"""Which machines of a cluster to train on: those on which this run has not failed yet come first."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from launcher.checkpoint.entries import Close, Entry
from launcher.checkpoint.journal import Journal
from launcher.cluster.common import ManyNodes
from launcher.cluster.slurm import Slurm
from launcher.storage.store import Store
from launcher.train.cluster import Node
from launcher.train.verdicts import NAMED

SPARES_S = 30.0
"""Once enough machines are there, seconds for the spare ones, where they could stand in for one that failed before."""

HOSTS_FAULT = {name for name, kind in NAMED.items() if kind.verdict == "elsewhere"}
"""What attempts fail of because of a machine."""
HEARSAY = "collective"
"""The one kind whose host is that of a rank that noticed: the one that had gone before is not known."""


def failures_by_host(run_url: str) -> Counter[str]:
    """How often attempts of a run have failed on each host, by its journal."""
    closes = [entry for entry in Journal(Store.open(run_url)).entries() if isinstance(entry, Close)]
    return Counter(entry.host for entry in closes if entry.host is not None)


def to_avoid(run_url: str, same_host: int) -> set[str]:
    """Hosts that made attempts of a run fail more often than the profile bears."""
    entries = Journal(Store.open(run_url)).entries()
    closes = [each for each in entries if isinstance(each, Close)]
    blamed = [each.host for each in closes if each.ended in HOSTS_FAULT and each.host is not None]
    return {host for host, count in Counter(blamed).items() if count > same_host}


def culprit(entries: Iterable[Entry], same_host: int) -> str | None:
    """The host that made attempts of a run fail more often than the profile bears, where no other host made one fail.

    Where hosts take turns, the fault is rather the run's.
    """
    closes = [each for each in entries if isinstance(each, Close) and each.ended in HOSTS_FAULT - {HEARSAY}]
    blamed = [each.host for each in closes if each.host is not None]
    return blamed[0] if len(set(blamed)) == 1 and len(blamed) > same_host else None


def chosen(
    usable: Sequence[Node], profile: ManyNodes, failed: Mapping[str, int], enough_s: float, *, fewer: bool = False
) -> tuple[Node, ...] | None:
    """The machines to train on, in the order of their names; None while there are not enough, or better may come.

    Args:
        failed: How often the run has failed on a host.
        enough_s: Since when there are enough, in seconds.
        fewer: Whether the profile's least number is enough by now.
    """
    if len(usable) < (profile.least_nodes if fewer else profile.nodes):
        return None
    best = sorted(usable, key=lambda node: (failed.get(node.host, 0), node.host, node.address))[: profile.nodes]
    spares = profile.spares if isinstance(profile, Slurm) else 0
    doubtful = any(failed.get(node.host, 0) for node in best)
    if doubtful and len(best) == profile.nodes and len(usable) < profile.nodes + spares and enough_s < SPARES_S:
        return None
    return tuple(sorted(best, key=lambda node: (node.host, node.address)))

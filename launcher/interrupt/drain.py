"""Nodes that Ray is draining: how preStop hooks, node agents and `ray drain-node` tell that a machine will go."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from launcher.interrupt.notice import Notice
from launcher.interrupt.watch import Source


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes of a Ray cluster that count."""

    ours: Mapping[str, str]
    """Host names of those with workers of ours, by node id."""
    driver: str
    """Id of the driver's own: with it everything goes."""


def drain_notice(draining: Mapping[str, int], cluster: Cluster, now_ms: float, now: float) -> Notice | None:
    """What it means for us that nodes are being drained; None where none of them is ours.

    Args:
        draining: Deadline of each node that is being drained by its id, in milliseconds since 1970; 0 where there is
            none.
        now_ms: The present time, to compare with what the draining machine's clock said: Ray tells nothing else.
        now: The present time of this process's monotonic clock.
    """
    ours, driver = cluster.ours, cluster.driver
    gone = [node for node in draining if node in ours or node == driver]
    if not gone:
        return None
    hosts = sorted({ours.get(node, "the driver's node") for node in gone})
    whole = driver in gone or all(node in gone for node in ours)
    deadlines = [now + (draining[node] - now_ms) / 1000 for node in gone if draining[node]]
    return Notice(
        "drain", f"Ray drains {', '.join(hosts)}", min(deadlines, default=None), () if whole else tuple(hosts)
    )


def drain_source(ours: Callable[[], Mapping[str, str]]) -> Source:
    """Asks the cluster that this process is connected to.

    Args:
        ours: Host names of the nodes with workers of ours, by id, as far as they are known by now.
    """
    import ray
    from ray._private.state import state

    driver = ray.get_runtime_context().get_node_id()
    told: dict[str, Notice] = {}

    def asked() -> Notice | None:
        notice = drain_notice(
            state.get_draining_nodes(), Cluster(dict(ours()), driver), time.time() * 1000, time.monotonic()
        )
        # The deadline is worked out once: it would move a little with every answer
        return None if notice is None else told.setdefault(notice.why, notice)

    return asked

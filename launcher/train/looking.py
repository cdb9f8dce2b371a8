"""What each machine of a cluster says of itself before it trains, and what it is given for that."""

import os
import time
from collections.abc import Callable, Collection, Sequence
from uuid import uuid4

from launcher.cluster.common import ManyNodes
from launcher.errors import InvalidInput, LauncherError
from launcher.storage.store import Store
from launcher.train.cluster import Node
from launcher.train.node_look import Look

INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Without them both choose an interface by the host's name, and try 127.0.0.1 on a peer where that is its address."""
POLL_S = 0.5
LOOK_S = 120.0
"""For a machine to start a worker and import the launcher."""


def look_at(
    nodes: Sequence[Node], run_url: str, secrets: Sequence[str], alive: Callable[[], Collection[Node]]
) -> list[Look] | None:
    """Each machine's own word; None where one of them goes meanwhile.

    Args:
        alive: Asks the cluster for the machines that live, as far as it knows by now.

    Raises:
        LauncherError: a machine that lives did not answer in time.
    """
    import ray
    from ray.exceptions import RayError

    store, probe = Store.open(run_url), f".probe-{uuid4().hex}"
    store.ensure(probe, b"can you read this?")
    ask = ray.remote(_look)
    asking = {
        node: ask.options(num_cpus=0, label_selector=node.selector).remote(node.address, run_url, probe, list(secrets))
        for node in nodes
    }
    deadline = time.monotonic() + LOOK_S
    try:
        while True:
            ready, silent = ray.wait(list(asking.values()), num_returns=len(asking), timeout=POLL_S)
            if not set(nodes) <= set(alive()):
                return None
            if not silent:
                return [ray.get(answer) for answer in asking.values()]
            if time.monotonic() > deadline:
                hosts = ", ".join(node.host for node, answer in asking.items() if answer not in ready)
                raise LauncherError(f"{hosts}: no worker started within {LOOK_S:.0f} s; see its Ray logs")
    except RayError:
        if set(nodes) <= set(alive()):
            raise
        return None
    finally:
        store.remove(probe)


def _look(address: str, run_url: str, probe: str, wanted: list[str]) -> Look:
    # Imported on the machine that runs it, and not in the driver
    from launcher.train.node_look import look

    return look(address, run_url, probe, wanted)


def variables(profile: ManyNodes, looks: Sequence[Look]) -> dict[str, str]:
    """The profile's, and the interface where it is called the same everywhere and nobody chose one."""
    names = {each.interface for each in looks}
    interface = names.pop() if len(names) == 1 else None
    chosen = {} if interface is None else {name: interface for name in INTERFACES if name not in os.environ}
    return chosen | profile.environment


def secrets_lacking(profile: ManyNodes, looks: Sequence[Look]) -> dict[str, str]:
    """What machines lack, out of the driver's environment.

    Raises:
        InvalidInput: the driver lacks it too.
    """
    lacking = {name: each.host for each in looks for name in each.lacking}
    absent = [f"{name} (not on {host})" for name, host in lacking.items() if name not in os.environ]
    if absent:
        raise InvalidInput(
            f"cluster.secrets: {', '.join(absent)}; put it into the environment of the machines, or of the driver"
        )
    return {name: os.environ[name] for name in lacking}

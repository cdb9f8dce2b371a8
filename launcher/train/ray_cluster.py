"""A Ray cluster that somebody else started: attached to, waited for, looked at, and left as it was."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from launcher.cluster.common import ManyNodes
from launcher.errors import InvalidInput, LauncherError
from launcher.storage.store import Store
from launcher.train.choose_nodes import chosen, failures_by_host
from launcher.train.cluster import Cluster, Node
from launcher.train.node_look import Look, check
from launcher.train.ray_local import TRAIN_SETTINGS, environment, undisturbed

EXPECTED_HOSTS = "LAUNCHER_HOSTS"
"""Where an allocation has hosts, their names, for those that do not come to be told."""
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Without them both choose an interface by the host's name, and try 127.0.0.1 on a peer where that is its address."""
POLL_S = 0.5
LOOK_S = 120.0
"""For a machine to start a worker and import the launcher."""


@contextmanager
def attached(profile: ManyNodes, run_url: str, tell: Callable[[str], None]) -> Iterator[Cluster]:
    """The cluster at `RAY_ADDRESS`, once it has the machines of the profile and each of them can reach the run.

    Raises:
        InvalidInput: no address is given, or the machines do not fit together or cannot read the run directory.
        LauncherError: the cluster does not answer, or machines are missing when the profile's time is over.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        raise InvalidInput(
            f"cluster.backend: {profile.backend} runs inside of its own job, and RAY_ADDRESS names no Ray cluster "
            "here; say launcher submit, or take a profile of this machine"
        )
    scratch = tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True)
    with scratch as folder, environment(TRAIN_SETTINGS):
        import ray

        try:
            with undisturbed():
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise LauncherError(f"the Ray cluster at {address} does not answer: {error}") from error
        try:
            nodes = wait_for_nodes(profile, failures_by_host(run_url), tell)
            looks = _look_at(nodes, run_url, profile.secrets)
            check(looks, run_url)
            yield Cluster(Path(folder), nodes, _variables(profile, looks), _secrets(profile, looks))
        finally:
            ray.shutdown()


def wait_for_nodes(profile: ManyNodes, failed: Mapping[str, int], tell: Callable[[str], None]) -> tuple[Node, ...]:
    """The machines to train on, as soon as there are enough; those that have no room for the workers do not count.

    Args:
        failed: How often the run has failed on a host: spare machines stand in for those.

    Raises:
        LauncherError: not enough came in time; names those that are there and those that are missing.
    """
    start, told, enough = time.monotonic(), -1, 0.0
    while True:
        usable = usable_nodes(profile)
        enough = time.monotonic() if len(usable) < profile.nodes else enough or time.monotonic()
        nodes = chosen(usable, profile, failed, time.monotonic() - enough)
        if nodes is not None:
            return nodes
        if len(usable) < profile.nodes and time.monotonic() > start + 60 * profile.wait_minutes:
            raise LauncherError(_missing(profile, usable))
        if len(usable) != told:
            tell(f"waiting   for machines: {len(usable)} of {profile.nodes} are there")
            told = len(usable)
        time.sleep(POLL_S)


def usable_nodes(profile: ManyNodes) -> tuple[Node, ...]:
    """Living machines of the cluster that have what each is asked for, in the order of their names."""
    import ray

    kind, needed = ("GPU", profile.gpus_per_node) if profile.gpus_per_node else ("CPU", profile.ranks_per_node)
    found = [
        Node(one["NodeID"], one["NodeManagerHostname"], one["NodeManagerAddress"])
        for one in ray.nodes()  # type: ignore[no-untyped-call]
        if one["Alive"] and one["Resources"].get(kind, 0) >= needed
    ]
    return tuple(sorted(found, key=lambda node: (node.host, node.address)))


def _missing(profile: ManyNodes, usable: Sequence[Node]) -> str:
    here = ", ".join(node.host for node in usable) or "none"
    hosts = {node.host for node in usable}
    absent = [name for name in os.environ.get(EXPECTED_HOSTS, "").split(",") if name and name not in hosts]
    kind = f"{profile.gpus_per_node} GPUs" if profile.gpus_per_node else f"{profile.ranks_per_node} cores"
    told = f"missing: {', '.join(absent)}; " if absent else ""
    return (
        f"{len(usable)} of {profile.nodes} machines with {kind} came within {profile.wait_minutes:g} minutes ({told}"
        f"there: {here}); see their logs, or ask for fewer with cluster.nodes"
    )


def _look_at(nodes: Sequence[Node], run_url: str, secrets: Sequence[str]) -> list[Look]:
    """Each machine's own word."""
    import ray

    store, probe = Store.open(run_url), f".probe-{uuid4().hex}"
    store.create(probe, b"can you read this?")
    ask = ray.remote(_look)
    asking = {
        node: ask.options(num_cpus=0, label_selector=node.selector).remote(node.address, run_url, probe, list(secrets))
        for node in nodes
    }
    try:
        ready, _ = ray.wait(list(asking.values()), num_returns=len(asking), timeout=LOOK_S)
        silent = [node.host for node, answer in asking.items() if answer not in ready]
        if silent:
            raise LauncherError(f"{', '.join(silent)}: no worker started within {LOOK_S:.0f} s; see its Ray logs")
        return [ray.get(answer) for answer in asking.values()]
    finally:
        store.remove(probe)


def _look(address: str, run_url: str, probe: str, wanted: list[str]) -> Look:
    # Imported on the machine that runs it, and not in the driver
    from launcher.train.node_look import look

    return look(address, run_url, probe, wanted)


def _variables(profile: ManyNodes, looks: Sequence[Look]) -> dict[str, str]:
    """The profile's, and the interface where it is called the same everywhere and nobody chose one."""
    names = {each.interface for each in looks}
    interface = names.pop() if len(names) == 1 else None
    chosen = {} if interface is None else {name: interface for name in INTERFACES if name not in os.environ}
    return chosen | profile.environment


def _secrets(profile: ManyNodes, looks: Sequence[Look]) -> dict[str, str]:
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

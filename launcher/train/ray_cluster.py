"""A Ray cluster that somebody else started: attached to, waited for, looked at, and left as it was."""

import logging
import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from launcher.cluster.common import RAY_VERSION, ManyNodes
from launcher.errors import InvalidInput, LauncherError
from launcher.ledger.hosts import bad_hosts
from launcher.train.choose_nodes import chosen, failures_by_host
from launcher.train.cluster import Cluster, Node
from launcher.train.looking import look_at, secrets_lacking, variables
from launcher.train.node_look import check
from launcher.train.ray_local import undisturbed

EXPECTED_HOSTS = "LAUNCHER_HOSTS"
"""Where an allocation has hosts, their names, for those that do not come to be told."""
BANNED = 1000
"""Failures that a host on the ledger of bad hosts counts for: others stand in for it where there are enough."""
POLL_S = 0.5


@contextmanager
def attached(profile: ManyNodes, run_url: str, tell: Callable[[str], None]) -> Iterator[Cluster]:
    """The cluster at `RAY_ADDRESS`, once it has the machines of the profile and each of them can reach the run.

    Raises:
        InvalidInput: no address is given, or the machines do not fit together or cannot read the run directory.
        LauncherError: the cluster does not answer, or machines are missing when the profile's time is over.
    """
    scratch = tempfile.TemporaryDirectory(prefix="ll-", ignore_cleanup_errors=True)
    with scratch as folder, connected(profile):
        yield gathered(profile, run_url, Path(folder), tell)


def gathered(
    profile: ManyNodes,
    run_url: str,
    scratch: Path,
    tell: Callable[[str], None],
    *,
    avoid: Collection[str] = (),
    at_once: bool = False,
) -> Cluster:
    """The machines to train on, each of which has answered; as in `wait_for_nodes`.

    Raises:
        InvalidInput: they do not fit together, or cannot read the run directory.
        LauncherError: machines are missing when the profile's time is over, or do not answer.
    """
    failed = failures_by_host(run_url) + Counter(dict.fromkeys(bad_hosts(profile.storage), BANNED))
    looks = None
    while looks is None:  # again where one goes meanwhile: each time the cluster has one less
        nodes = wait_for_nodes(profile, failed, tell, avoid=avoid, at_once=at_once)
        looks = look_at(nodes, run_url, profile.secrets, lambda: usable_nodes(profile))
    check(looks, run_url)
    return Cluster(scratch, nodes, variables(profile, looks), secrets_lacking(profile, looks))


@contextmanager
def connected(profile: ManyNodes) -> Iterator[None]:
    """This process as a driver of the cluster at `RAY_ADDRESS`.

    Raises:
        InvalidInput: no address is given, or the machine has another Ray than the launcher is tested with.
        LauncherError: the cluster does not answer.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        raise InvalidInput(
            f"cluster.backend: {profile.backend} runs inside of its own job, and RAY_ADDRESS names no Ray cluster "
            "here; say launcher submit, or take a profile of this machine"
        )
    if (found := version("ray")).split(".")[:2] != RAY_VERSION.split(".")[:2]:
        raise InvalidInput(
            f"{socket.gethostname()} has Ray {found}, and the launcher is tested with {RAY_VERSION}: install that, or "
            "name an image that has it"
        )
    import ray

    try:
        with undisturbed():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise LauncherError(f"the Ray cluster at {address} does not answer: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def wait_for_nodes(
    profile: ManyNodes,
    failed: Mapping[str, int],
    tell: Callable[[str], None],
    *,
    avoid: Collection[str] = (),
    at_once: bool = False,
) -> tuple[Node, ...]:
    """The machines to train on, as soon as there are enough; those that have no room for the workers do not count.

    Args:
        failed: How often the run has failed on a host: spare machines stand in for those.
        avoid: Hosts to leave out where the others are enough.
        at_once: Go on with the profile's least number, and wait only where there are not even so many; else that
            number is enough when the profile's time is over.

    Raises:
        LauncherError: not enough came in time; names those that are there and those that are missing.
    """
    start, told, enough = time.monotonic(), -1, 0.0
    while True:
        usable = usable_nodes(profile)
        others = tuple(node for node in usable if node.host not in avoid)
        usable = others if len(others) >= profile.least_nodes else usable
        enough = time.monotonic() if len(usable) < profile.nodes else enough or time.monotonic()
        late = time.monotonic() > start + 60 * profile.wait_minutes
        nodes = chosen(usable, profile, failed, time.monotonic() - enough, fewer=at_once or late)
        if nodes is not None:
            return nodes
        if late and len(usable) < profile.nodes:
            raise LauncherError(_missing(profile, usable))
        if len(usable) != told:
            tell(f"waiting   for machines: {len(usable)} of {profile.nodes} are there")
            told = len(usable)
        time.sleep(POLL_S)


def usable_nodes(profile: ManyNodes) -> tuple[Node, ...]:
    """Living machines of the cluster that have what each is asked for and stay, in the order of their names."""
    import ray
    from ray._private.state import state

    kind, needed = ("GPU", profile.gpus_per_node) if profile.gpus_per_node else ("CPU", profile.ranks_per_node)
    draining = state.get_draining_nodes()
    found = [
        Node(one["NodeID"], one["NodeManagerHostname"], one["NodeManagerAddress"])
        for one in ray.nodes()  # type: ignore[no-untyped-call]
        if one["Alive"] and one["NodeID"] not in draining and one["Resources"].get(kind, 0) >= needed
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

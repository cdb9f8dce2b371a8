"""A Ray cluster over hosts in namespaces, as somebody else would have started it."""

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.nodes.hosts import Host

PORT = 6379


def ray_environment(shared: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What nodes and drivers have in their environment."""
    home = shared / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(shared / "token"),
        **({"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}),
        **(more or {}),
    }


@contextmanager
def ray_on(hosts: Sequence[Host], shared: Path, cpus: int = 1, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start a node on each host, the head on the first; gives its address. They end with their hosts."""
    token = shared / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    address = f"{hosts[0].address}:{PORT}"
    for host in hosts:
        start_node(host, address, shared, cpus, more)
    yield address


def start_node(host: Host, address: str, shared: Path, cpus: int = 1, more: Mapping[str, str] | None = None) -> None:
    """One node; the head where the address is the host's own."""
    head = address == f"{host.address}:{PORT}"
    role = ["--head", f"--port={PORT}", "--include-dashboard=false"] if head else [f"--address={address}"]
    host.start(
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={host.address}"),
        *(f"--num-cpus={cpus}", "--object-store-memory=100000000", *role),
        log=shared / f"ray-{host.name}.log",
        environment=ray_environment(shared, more),
    )

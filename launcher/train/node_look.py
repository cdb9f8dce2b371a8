"""What a machine of the cluster says of itself before training: what it runs, and whether it can reach the run."""

import os
import socket
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import xxhash

import launcher
from launcher.cluster.interfaces import interface_of
from launcher.errors import InvalidInput

PACKAGES = ("torch", "ray", "transformers", "peft", "bitsandbytes", "deepspeed", "numpy")
"""Those of which another version computes otherwise, or cannot talk to its peers."""


@dataclass(frozen=True, slots=True)
class Look:
    host: str
    versions: dict[str, str]
    interface: str | None
    """The network interface that has the node's address."""
    unreachable: str | None
    """Why the run directory cannot be read there; None where it can."""
    lacking: tuple[str, ...]
    """Names of variables that its environment does not have."""


def look(address: str, run_url: str, probe: str, wanted: Sequence[str]) -> Look:
    """Look around; runs on the machine itself.

    Args:
        address: The machine's, as others reach it.
        probe: An object in the run directory that has to be there.
        wanted: Names of variables.
    """
    from launcher.storage.store import Store

    unreachable = None
    try:
        Store.open(run_url).read(probe)
    except Exception as error:  # every store's client has errors of its own
        unreachable = " ".join(str(error).split()) or type(error).__name__
    lacking = tuple(name for name in wanted if name not in os.environ)
    return Look(socket.gethostname(), versions(), interface_of(address), unreachable, lacking)


def versions() -> dict[str, str]:
    """Of Python, the launcher and what it computes with, on this machine."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "launcher": _launcher()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def code_digest(folder: Path) -> str:
    """Of Python's files below a folder: a version stands for many states of a checkout."""
    digest = xxhash.xxh3_64()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)} {len(content)} ".encode() + content)
    return digest.hexdigest()[:8]


def _launcher() -> str:
    return f"{launcher.__version__} ({code_digest(Path(launcher.__file__).parent)})"


def check(looks: Collection[Look], run_url: str) -> None:
    """Refuse machines that cannot train together.

    Raises:
        InvalidInput: names the machines and what differs, or what they cannot read.
    """
    blind = [f"{each.host} ({each.unreachable})" for each in looks if each.unreachable is not None]
    if blind:
        raise InvalidInput(
            f"cluster.storage: {run_url} cannot be read on {', '.join(blind)}; give a file system that all machines "
            "share, or a bucket and its credentials"
        )
    mine = versions()
    differing = [
        f"{each.host} has {name} {each.versions[name]}, the driver {mine[name]}"
        for each in looks
        for name in mine
        if each.versions[name] != mine[name]
    ]
    if differing:
        raise InvalidInput(f"machines differ: {'; '.join(differing)}; install the same on all of them")

"""What Slurm tells a task of its node and job, and which address others reach it by."""

import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.backends.slurm.render import ELEMENT
from launcher.cluster.interfaces import interfaces
from launcher.errors import InvalidInput

ANYWHERE = "192.0.2.1"
"""An address for documentation (RFC 5737): nothing is sent, it only asks for the way out."""
HOSTS = "LAUNCHER_HOSTS"
"""The job's nodes by Slurm's names, as the batch script expands them: a container may lack Slurm's tools."""
ENTRY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)")


@dataclass(frozen=True, slots=True)
class ThisNode:
    job: int
    number: int
    """From 0; node 0 is the head."""
    hosts: tuple[str, ...]
    """The job's nodes by Slurm's names, in its order."""
    element: str | None
    """Of a sweep: which of its runs this is."""
    start: str = "0"
    """Which start of the job this is, from 0."""

    @property
    def name(self) -> str:
        return self.hosts[self.number]

    @property
    def leads(self) -> bool:
        return self.number == 0


def this_node() -> ThisNode:
    """What the environment of a job's step says.

    Raises:
        InvalidInput: this is no step of a job.
    """
    try:
        job, number, hosts = (os.environ[name] for name in ("SLURM_JOB_ID", "SLURM_NODEID", HOSTS))
    except KeyError as missing:
        raise InvalidInput(f"{missing.args[0]} is not set: the agent runs in a step of a submitted job") from None
    element, start = os.environ.get("SLURM_ARRAY_TASK_ID"), os.environ.get("SLURM_RESTART_COUNT", "0")
    return ThisNode(int(job), int(number), tuple(hosts.split(",")), element, start)


def element_in(words: Sequence[str], element: str | None) -> list[str]:
    """Words with the number of a sweep's element put in."""
    return [word if element is None else word.replace(ELEMENT, element) for word in words]


def address_towards(host: str) -> str:
    """This node's address (IPv4) on the way to a host; where there is no way, that of the node alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((host, 9))
        except OSError:
            return "127.0.0.1"
        return str(asking.getsockname()[0])


def own_address(node: ThisNode, head: str | None, interface: str | None) -> str:
    """By the interface that the profile names, else the one towards the head, else towards another node.

    Raises:
        InvalidInput: the interface is not there, or has no address.
    """
    if interface is not None:
        return _address_of(interface)
    others = [host for host in node.hosts if host != node.name]
    return address_towards(head or (others[0] if others else ANYWHERE))


def secrets_of(file: str | None, names: Sequence[str]) -> dict[str, str]:
    """The values of secrets: out of a file where there is one, else out of the environment.

    Raises:
        InvalidInput: the file can be read by others, or a secret is nowhere.
    """
    values = dict(os.environ) if file is None else _read_secrets(os.path.expanduser(file))
    absent = [name for name in names if name not in values]
    if absent:
        place = "the environment" if file is None else file
        raise InvalidInput(f"cluster.secrets: {', '.join(absent)}: not in {place}; put it there")
    return {name: values[name] for name in names}


def _read_secrets(path: str) -> dict[str, str]:
    try:
        with open(path) as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise InvalidInput(f"cluster.secrets_file: others may read {path}; say chmod 600 {path}")
            lines = [line for line in file.read().splitlines() if line.strip() and not line.startswith("#")]
    except OSError as error:
        raise InvalidInput(f"cluster.secrets_file: {path} cannot be read: {error.strerror}") from error
    matches = [ENTRY.fullmatch(line) for line in lines]
    if None in matches:
        number = matches.index(None) + 1
        raise InvalidInput(f"cluster.secrets_file: entry {number} of {path} is no NAME=value; write one a line")
    return {match["name"]: match["value"] for match in matches if match}


def _address_of(interface: str) -> str:
    known = interfaces()
    if interface not in known:
        raise InvalidInput(
            f"cluster.interface: {interface} is no interface with an address on {socket.gethostname()}, which has "
            f"{', '.join(known)}"
        )
    return known[interface]

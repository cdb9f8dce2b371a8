"""One node of a job's Ray cluster: started on ports of its own, in a folder of its own, deaf to the job's signals."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from launcher.backends.slurm.descendants import kill_descendants
from launcher.backends.slurm.ports import Ports, blocks
from launcher.errors import LauncherError

TRIES = 5
"""Blocks of ports that are tried, each once."""
UP_S = 90.0
KILL_S = 30.0
LOOK_S = 0.1
STARTED = "Ray runtime started."
"""What `ray start` prints once the node is known to the cluster: its ports answer earlier, on a busy machine by far."""
AGAIN = re.compile(
    r"address already in use|failed to bind|port .* (is )?(already )?in use|not available|timed out during startup",
    re.I,
)
"""What another try may mend."""
DEAF = {signal.SIGTERM, signal.SIGUSR2, signal.SIGUSR1, signal.SIGINT}
"""Slurm sends them to every process of a step, at a time limit and at a preemption. Ray's would end at once, and the
commit with them: they stay blocked for as long as the driver needs."""
TAIL = 5000
"""Characters of what Ray printed."""
LAST = 3
"""Lines of it in an error."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What a node is started with."""

    address: str
    """Its own."""
    head: str | None
    """Address and port of the cluster; None where this node is its head."""
    cpus: int
    gpus: int
    folder: Path
    """Short, as sockets stand below it and their paths may have 107 bytes."""
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RayNode:
    process: "subprocess.Popen[bytes]"
    log: Path
    address: str
    """Of the cluster, with its port."""

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The end of what Ray printed, on one line."""
        return _last_words(self.log)


def start_node(job: int, spec: NodeSpec, over: Callable[[], bool]) -> RayNode | None:
    """Start Ray on this host, on the first block of ports that is free; this process has no other children.

    Args:
        over: Whether nobody needs the node any more.

    Returns:
        None where nobody does.

    Raises:
        LauncherError: Ray ended, or was not up in time; says what it printed last.
    """
    free = (ports for ports in blocks(job, spec.cpus) if ports.free())
    why = "no block of ports is free"
    for number, ports in enumerate(islice(free, TRIES)):
        log = spec.folder / f"start-{number}.log"
        cluster = spec.head or f"{spec.address}:{ports.port}"
        process = _start(spec, ports, log)
        if _is_up(process, log, over):
            return RayNode(process, log, cluster)
        kill_descendants(KILL_S)  # what it had started, too
        if over():
            return None
        why = _last_words(log)
        print(log.read_text(errors="replace")[-TAIL:], file=sys.stderr, flush=True)  # it goes with the folder
        if not AGAIN.search(log.read_text(errors="replace")):
            break
    raise LauncherError(f"Ray did not start: {why}")


def _start(spec: NodeSpec, ports: Ports, log: Path) -> "subprocess.Popen[bytes]":
    role = [f"--address={spec.head}"] if spec.head else ["--head", "--include-dashboard=false"]
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
        *(f"--node-ip-address={spec.address}", f"--num-cpus={spec.cpus}", f"--num-gpus={spec.gpus}"),
        *(f"--temp-dir={spec.folder}", *role, *ports.flags(head=spec.head is None)),
    ]
    with log.open("wb") as output, _deaf():
        return subprocess.Popen(
            command, env=dict(spec.environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/"
        )


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started meanwhile has these signals blocked, through exec, and so has all that comes of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_up(process: "subprocess.Popen[bytes]", log: Path, over: Callable[[], bool]) -> bool:
    """Whether the node starts, before it ends and in time."""
    deadline = time.monotonic() + UP_S
    while process.poll() is None and time.monotonic() < deadline and not over():
        if STARTED in log.read_text(errors="replace"):
            return True
        time.sleep(LOOK_S)
    return False


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    told = [line.strip() for line in lines if line.strip(" ^~")]
    return " ".join(told[-LAST:]) or "it printed nothing"

"""What a pod does before it ends: it tells Ray that this node goes, and waits until nothing needs it any more.

The driver sees the drain and has the ranks commit. Ray lets a drained node go as soon as it is idle, so the end of its
raylet is the end of the wait; the head's raylet stays for ever, so there the driver's end is. Runs as a preStop hook,
with nobody to read what it prints but the pod's events.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.5
ANSWER_S = 5.0
"""Of the time, for Ray's control store to answer; where it is gone already nothing is left to save."""


@dataclass(frozen=True, slots=True)
class Raylet:
    """Ray's process of this node."""

    pid: int
    started: str
    """By the kernel's count: another process of the same number started at another time."""
    node: str
    address: str
    """Of the cluster's control store."""
    head: bool
    """Whether the control store is on this node, and the driver with it."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m launcher.backends.kubernetes.leave", description=__doc__)
    parser.add_argument("--seconds", type=int, required=True, help="until this node is gone")
    chosen = parser.parse_args(arguments)
    deadline = time.monotonic() + chosen.seconds
    raylet = find_raylet(Path("/proc"))
    if raylet is None:
        print("leave: no Ray runs here", file=sys.stderr)
        return 0
    if not drain(raylet, chosen.seconds):
        return 1
    return 0 if wait_for_end(raylet, deadline) else 1


def find_raylet(processes: Path) -> Raylet | None:
    """The raylet of this container, by its arguments; None where there is none."""
    for process, words in commands(processes):
        if Path(words[0]).name != "raylet":
            continue
        try:
            started = (process / "stat").read_text().rpartition(")")[2].split()[19]
        except (OSError, IndexError):  # it has ended
            continue
        flags = dict(word.lstrip("-").split("=", 1) for word in words if word.startswith("--") and "=" in word)
        node, address = flags.get("node_id"), flags.get("gcs-address")
        if node and address:
            return Raylet(int(process.name), started, node, address, "--head" in words)
    return None


def driver_runs(processes: Path) -> bool:
    """Whether a run's driver is among the processes, by the words that every submission ends in."""
    return any({"run", "--run-id"} <= set(words) for _, words in commands(processes))


def commands(processes: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each process with its words."""
    for process in processes.glob("[0-9]*"):
        try:
            yield process, (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended
            continue


def drain(raylet: Raylet, seconds: int) -> bool:
    """Tell Ray; False where it does not answer or refuses."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.core.generated import autoscaler_pb2

    reason = autoscaler_pb2.DRAIN_NODE_REASON_PREEMPTION  # type: ignore[attr-defined]
    until = int((time.time() + seconds) * 1000)
    try:
        accepted, why = GcsClient(address=raylet.address).drain_node(raylet.node, reason, "the pod ends", until)
    except Exception as error:  # Ray's own kinds, of which none is public
        print(f"leave: Ray at {raylet.address} does not answer: {error}", file=sys.stderr)
        return False
    if not accepted:
        print(f"leave: Ray refuses: {why}", file=sys.stderr)
    return bool(accepted)


def wait_for_end(raylet: Raylet, deadline: float) -> bool:
    """Until the node is not used any more; False where that takes too long."""
    while time.monotonic() < deadline:
        now = find_raylet(Path("/proc"))
        if now is None or (now.pid, now.started) != (raylet.pid, raylet.started):
            return True
        if raylet.head and not driver_runs(Path("/proc")):
            return True
        time.sleep(POLL_S)
    return False


if __name__ == "__main__":
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(int(ANSWER_S)))
    sys.exit(main())

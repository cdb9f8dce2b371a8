"""A run as it looks from outside: its processes, and how far a rank and its uploader have come.

Nothing is added to what runs: the kernel tells what a process has written and which memory it has.
"""

import os
import re
import select
import shutil
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

WORKER = "ray::RayTrainWorker"
UPLOADER = "launcher.checkpoint.uploader"
SNAPSHOT = "/memfd:launcher-snapshot"
CLUSTER = re.compile(r"/tmp/ll-[^/\s]+")
BURST = 16_384
"""Bytes that a rank sends within a look or two only with its gradients."""
DEAD_S = 60.0
"""For killed processes to be gone."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Of one command, as they were at one moment."""

    everything: tuple[psutil.Process, ...]
    """The driver first."""
    workers: tuple[int, ...]
    uploader: int | None
    cluster: Path | None
    """Folder of the Ray cluster."""

    @classmethod
    def of(cls, driver: int) -> "Processes":
        """As they are now."""
        workers, uploader, cluster = [], None, None
        everything = tree(driver)
        for each in everything:
            words = _command(each)
            if words and words[0].startswith(WORKER):
                workers.append(each.pid)
            elif UPLOADER in words:
                uploader = each.pid
            elif found := CLUSTER.search(" ".join(words)):
                cluster = Path(found[0])
        return cls(tuple(everything), tuple(sorted(workers)), uploader, cluster)


def tree(driver: int) -> list[psutil.Process]:
    """The driver and all that came of it, uploaders too, which have a session of their own."""
    try:
        process = psutil.Process(driver)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_all(processes: Iterable[psutil.Process], signum: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for each in processes:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signum)


def kill(process: int) -> None:
    """SIGKILL; returns when it is dead, though it may not be reaped yet."""
    watch = os.pidfd_open(process)
    try:
        os.kill(process, signal.SIGKILL)
        select.select([watch], [], [], DEAD_S)
    finally:
        os.close(watch)


def kill_all(driver: int, there: Processes) -> None:
    """SIGKILL to the driver and everything that came of it, stopped first so that none sees another one die.

    The driver itself is left for its parent to wait for.

    Args:
        there: The processes as they were known before: looking for them takes longer than a phase lasts.
    """
    signal_all(there.everything, signal.SIGSTOP)
    everything = tree(driver)
    signal_all(everything, signal.SIGSTOP)
    signal_all(everything, signal.SIGKILL)
    psutil.wait_procs([each for each in everything if each.pid != driver], timeout=DEAD_S)
    if there.cluster is not None:
        shutil.rmtree(there.cluster, ignore_errors=True)


def sent(process: int) -> int:
    """Bytes that a process has written, to files and sockets."""
    line = next(line for line in Path(f"/proc/{process}/io").read_text().splitlines() if line.startswith("wchar"))
    return int(line.split()[1])


def gradients(process: int, times: int) -> Callable[[], bool]:
    """Tells when a rank is sending its gradients for so many times from now on: in the middle of a backward pass."""
    before, quiet, left = sent(process), True, times

    def begun() -> bool:
        nonlocal before, quiet, left
        now = sent(process)
        burst, before = now - before > BURST, now
        if burst and quiet:
            left -= 1
        quiet = not burst
        return left <= 0

    return begun


def snapshot_begun(process: int) -> bool:
    """Whether a rank has memory for its first snapshot."""
    folder = f"/proc/{process}/fd"
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        try:
            if os.readlink(path).startswith(SNAPSHOT) and os.stat(path).st_size:
                return True
        except FileNotFoundError:  # closed meanwhile
            continue
    return False


def _command(process: psutil.Process) -> list[str]:
    """Nothing where it has ended."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []

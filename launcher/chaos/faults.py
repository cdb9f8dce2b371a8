"""What can happen to a run: each fault a small function, and all of them in a table."""

import os
import resource
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from launcher.chaos.command import Started
from launcher.chaos.processes import Processes, kill, kill_all

STORE_S = 3.0
"""How long the uploader's store takes nothing."""

Strike = Callable[[Started, Processes, int], str]
"""Does it, to a run whose processes are known, with a number to choose by; returns what was done."""


@dataclass(frozen=True, slots=True)
class Fault:
    strike: Strike
    about: str
    ends_attempt: bool
    """Whether another attempt has to follow."""


def _kill_worker(run: Started, there: Processes, choice: int) -> str:
    victim = there.workers[choice % len(there.workers)]
    kill(victim)
    return f"SIGKILL to worker {choice % len(there.workers)} (process {victim})"


def _kill_driver(run: Started, there: Processes, choice: int) -> str:
    kill_all(run.driver, there)
    return f"SIGKILL to the driver (process {run.driver}) and all {len(there.everything) - 1} processes below it"


def _preempt(run: Started, there: Processes, choice: int) -> str:
    os.kill(run.driver, signal.SIGTERM)
    return f"SIGTERM to the driver (process {run.driver})"


def _time_limit(run: Started, there: Processes, choice: int) -> str:
    os.kill(run.driver, signal.SIGUSR2)
    return f"SIGUSR2 to the driver (process {run.driver})"


def _kill_uploader(run: Started, there: Processes, choice: int) -> str:
    assert there.uploader is not None
    kill(there.uploader)
    return f"SIGKILL to the uploader (process {there.uploader})"


def _stall(run: Started, there: Processes, choice: int) -> str:
    victim = there.workers[choice % len(there.workers)]
    os.kill(victim, signal.SIGSTOP)
    return f"SIGSTOP to worker {choice % len(there.workers)} (process {victim}), for good"


def _storage(run: Started, there: Processes, choice: int) -> str:
    """The kernel lets no file of the uploader grow, as on a full disk."""
    assert there.uploader is not None
    uploader = there.uploader
    _, hard = resource.prlimit(uploader, resource.RLIMIT_FSIZE)
    resource.prlimit(uploader, resource.RLIMIT_FSIZE, (0, hard))

    def mend() -> None:
        try:
            resource.prlimit(uploader, resource.RLIMIT_FSIZE, (hard, hard))
        except ProcessLookupError:  # its attempt has ended
            return

    timer = threading.Timer(STORE_S, mend)
    timer.daemon = True
    timer.start()
    return f"no room for the uploader's files (process {uploader}) for {STORE_S:.0f} s"


FAULTS: dict[str, Fault] = {
    "kill-worker": Fault(_kill_worker, "SIGKILL to one rank", ends_attempt=True),
    "kill-driver": Fault(_kill_driver, "SIGKILL to the driver and all its processes", ends_attempt=True),
    "preempt": Fault(_preempt, "SIGTERM to the driver, which commits and is started again", ends_attempt=True),
    "time-limit": Fault(_time_limit, "a batch system's warning, SIGUSR2 to the driver", ends_attempt=True),
    "kill-uploader": Fault(_kill_uploader, "SIGKILL to the process that stores checkpoints", ends_attempt=False),
    "stall": Fault(_stall, "one rank stands still, until the watchdog ends the attempt", ends_attempt=True),
    "storage": Fault(_storage, f"nothing can be stored for {STORE_S:.0f} s", ends_attempt=False),
}

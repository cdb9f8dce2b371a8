"""Every process that came of this one, orphans too; and their end."""

import ctypes
import os
import signal
import time
from collections import defaultdict
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
"""Of linux/prctl.h: orphans below this process become its children instead of init's."""
LOOK_S = 0.02


def adopt_orphans() -> None:
    """From now on, whatever comes of this process stays below it."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(root: int) -> set[int]:
    """The living processes below one."""
    children = defaultdict(set)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (parent := _parent(folder)) is not None:
            children[parent].add(int(folder.name))
    found: set[int] = set()
    looking = [root]
    while looking:
        new = children[looking.pop()] - found
        found |= new
        looking += new
    return found


def kill_descendants(within: float) -> None:
    """Kill all that is below this process, and wait until it is gone.

    Raises:
        TimeoutError: something does not die, as in a read of a file system that hangs.
    """
    deadline = time.monotonic() + within
    while left := descendants(os.getpid()):
        for process in left:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        _bury()
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes {sorted(left)} are still there {within:.0f} s after they were killed")
        time.sleep(LOOK_S)


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _parent(folder: Path) -> int | None:
    """None for a process that has ended."""
    try:
        parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(parent)

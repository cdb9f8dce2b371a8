"""When a run whose last attempt never closed may be taken: only once it is known to have ended."""

import os
import socket
from pathlib import Path

from launcher.checkpoint.entries import Open
from launcher.checkpoint.heartbeat import any_of, ordered, silent
from launcher.checkpoint.journal import Gone
from launcher.storage.store import Store

LOCAL = "local"


def job_id() -> str:
    """This process: its number, where numbers of that kind are counted, and when it began."""
    return f"{os.getpid()} of {_namespace()} since {_began(os.getpid())}"


def gone(store: Store, *, takeover: bool) -> Gone:
    """Known by the user's word, by this machine's own, or by a heartbeat that has stopped."""
    return any_of(*([ordered] if takeover else []), process_ended, silent(store))


def process_ended(owner: Open) -> str | None:
    """Known to have ended as its process is not on this machine any more."""
    number, _, where = owner.job_id.partition(" of ")
    space, _, began = where.partition(" since ")
    here = owner.backend == LOCAL and owner.hosts == (socket.gethostname(),) and space == _namespace()
    if not here or _began(int(number)) == began:
        return None
    return f"its process {number} has ended"


def _namespace() -> str:
    """Of process numbers, which containers on one host do not share; and the boot since which they are counted."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{Path('/proc/self/ns/pid').readlink()} in boot {boot[:8]}"


def _began(process: int) -> str | None:
    """In ticks since the boot; None where there is no such process."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if words[0] in "ZX" else words[19]

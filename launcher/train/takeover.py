"""When a run whose last attempt never closed may be taken: only once it is known to have ended."""

import os
from pathlib import Path

from launcher.checkpoint.entries import Open
from launcher.checkpoint.heartbeat import any_of, ordered, silent
from launcher.checkpoint.journal import Gone
from launcher.storage.store import Store
from launcher.train import slurm_word


def scheduler(profile: str) -> str:
    """What started this process: Slurm, also for a profile of this machine in an allocation, or the profile's own."""
    return slurm_word.SLURM if slurm_word.this_job() else profile


def job_id() -> str:
    """This process: its scheduler's name of it, its number, where such numbers are counted, and when it began."""
    process = f"{os.getpid()} of {_namespace()} since {_began(os.getpid())}"
    return "; ".join(filter(None, (slurm_word.this_job(), process)))


def gone(store: Store, *, takeover: bool) -> Gone:
    """Known by the user's word, by this machine's own, by the scheduler's, or by a heartbeat that has stopped."""
    ways = [process_ended, slurm_word.job_ended, silent(store)]
    return any_of(*([ordered] if takeover else []), *ways)


def process_ended(owner: Open) -> str | None:
    """Known to have ended as its process is not on this machine any more."""
    number, _, where = owner.job_id.rpartition("; ")[2].partition(" of ")
    space, _, began = where.partition(" since ")
    if space != _namespace() or _began(int(number)) == began:
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

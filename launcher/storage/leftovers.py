"""What processes that were killed left behind: removed when it is old, and surely of this launcher and this user."""

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from launcher.storage.store import Store

OLD_S = 3600.0
"""Age from which on nobody is at work on a temporary file: each is written in one go."""
NAMES = re.compile(r"\.(tmp|probe)-[0-9a-f]{32}")
"""Of `launcher.storage.local` and `Store.check_writable`."""
SCRATCH = "ll-"
OWNER = ".owner"
"""In a scratch folder: a file that its owner holds a lock on. The kernel's, so it goes with the process."""


def sweep_files(folder: Path) -> int:
    """Remove old temporary files and probes that lie in a folder itself; returns how many.

    Their age is told by the clock that dated them, the file system's.
    """
    if not folder.is_dir():
        return 0
    found = [entry for entry in os.scandir(folder) if NAMES.fullmatch(entry.name)]
    now = _now(folder) if found else 0.0
    return sum(_remove_old(Path(entry.path), now) for entry in found)


def sweep_store(store: Store, folder: str) -> int:
    """`sweep_files` in a folder of a local store and in the one above it.

    Nothing in an object store, where an object is there whole or not at all.
    """
    inside = store.local_path(folder)
    return 0 if inside is None else sweep_files(inside.parent) + sweep_files(inside)


@contextmanager
def scratch_folder(kind: str, parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that goes at the end or, where the process was killed, with the next `sweep_scratch`.

    Args:
        kind: A word that says what it is for.
        parent: By default where temporary files are kept.
    """
    with (
        tempfile.TemporaryDirectory(prefix=f"{SCRATCH}{kind}-", dir=parent, ignore_cleanup_errors=True) as name,
        Path(name, OWNER).open("xb") as owner,
    ):
        fcntl.flock(owner, fcntl.LOCK_EX)
        yield Path(name)


def sweep_scratch(parent: Path | None = None) -> int:
    """Remove old scratch folders whose owner is gone; returns how many. Folders without an owner's file are left."""
    parent = parent or Path(tempfile.gettempdir())
    found = [entry for entry in os.scandir(parent) if entry.name.startswith(SCRATCH)]
    now = _now(parent) if found else 0.0
    return sum(_remove_unowned(Path(entry.path), now) for entry in found)


def _now(folder: Path) -> float:
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime


def _remove_old(path: Path, now: float) -> bool:
    with suppress(FileNotFoundError):  # its writer is done, or someone else sweeps
        told = path.lstat()
        if stat.S_ISREG(told.st_mode) and told.st_uid == os.geteuid() and now - told.st_mtime > OLD_S:
            path.unlink()
            return True
    return False


def _remove_unowned(folder: Path, now: float) -> bool:
    with suppress(FileNotFoundError, BlockingIOError):  # no folder of this kind, or someone else sweeps; it is owned
        told = folder.lstat()
        if not stat.S_ISDIR(told.st_mode) or told.st_uid != os.geteuid():
            return False
        with os.fdopen(os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW), "rb") as owner:
            if now - os.fstat(owner.fileno()).st_mtime > OLD_S:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                return True
    return False

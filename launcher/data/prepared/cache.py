"""Blocks of object stores kept on a node's own disk, and shared by its ranks."""

import io
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

import xxhash
from filelock import FileLock, Timeout

from launcher.storage import local
from launcher.storage.retry import one_line

Tell = Callable[[str], None]

TURNS = 1024
"""Locks that fetches share; two blocks with the same one are fetched one after the other."""
POLL_S = 0.01
ROOM = 0.9
"""Share of the limit that is left filled when entries are evicted: so that is seldom."""
ABANDONED_S = 3600
"""Age at which a file that is still being written belongs to a process that died."""


class BlockCache:
    """A bounded folder of files that are there whole or not at all, and verified whenever they are read.

    Threads and processes share it: of those that miss a block at once one fetches it, and the others wait. Locks are
    the kernel's, so they go with the process that held them. What goes wrong with the disk costs the cache, never the
    run.
    """

    def __init__(self, folder: Path, limit: int, tell: Tell, patience: float = 60.0) -> None:
        """Make the folder.

        Args:
            limit: Bytes that entries may take together; those being written may come on top for a moment.
            tell: Is told, once, that nothing more is kept.
            patience: Seconds to wait for another process that fetches the same block, before fetching it too.
        """
        self._entries = folder / "blocks"
        self._locks = folder / "locks"
        self._used = folder / "used"
        self._limit = limit
        self._tell = tell
        self._patience = patience
        self._off = False
        self._switch = threading.Lock()
        try:
            for each in (folder, self._entries, self._locks):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            self._switch_off(error)

    def fetch(self, key: str, checksum: int, load: Callable[[], bytes]) -> bytes:
        """The bytes under a key, from the disk or else from `load`, whose bytes are kept.

        Args:
            key: A relative path.
            checksum: Their xxh3_64; an entry with another one is removed.
        """
        if (data := self._read(key, checksum)) is not None:
            return data
        if self._off:
            return load()
        with ExitStack() as turn:
            with suppress(OSError):  # a Timeout is one: whoever fetches the same block is not waited for for ever
                turn.enter_context(self._lock(f"{xxhash.xxh3_64_intdigest(key.encode()) % TURNS:04d}", self._patience))
            if (data := self._read(key, checksum)) is None:
                data = load()
                self._keep(key, data)
        return data

    def _read(self, key: str, checksum: int) -> bytes | None:
        path = self._entries / key
        try:
            data = path.read_bytes()
            if xxhash.xxh3_64_intdigest(data) != checksum:
                path.unlink(missing_ok=True)
                return None
            os.utime(path)
        except OSError:  # evicted, or never kept; a disk that cannot be read is as good as none
            return None
        return data

    def _keep(self, key: str, data: bytes) -> None:
        if self._off or len(data) > ROOM * self._limit:
            return
        try:
            self._make_room(len(data))
            local.write(self._entries / key, io.BytesIO(data))
        except Timeout:  # whoever makes room is stopped or slow: this block goes without
            return
        except OSError as error:
            self._switch_off(error)

    def _make_room(self, size: int) -> None:
        """Take `size` bytes of the limit.

        What is used is counted in a file, and counted anew from the entries once it reaches the limit.
        """
        with self._lock("room", 1.0):
            try:
                used = int(self._used.read_text())
            except (FileNotFoundError, ValueError):  # the first time, or after a kill in the middle of the line below
                used = self._limit
            if used + size > self._limit:
                used = _evict(self._entries, int(ROOM * self._limit) - size)
            self._used.write_text(str(used + size))

    def _lock(self, name: str, timeout: float) -> AbstractContextManager[object]:
        return FileLock(self._locks / name).acquire(timeout, poll_interval=POLL_S)

    def _switch_off(self, error: OSError) -> None:
        with self._switch:
            told, self._off = self._off, True
        if not told:
            self._tell(f"the cache {self._entries.parent} takes no more blocks: {one_line(error)}; reading goes on")


def _evict(folder: Path, target: int) -> int:
    """Remove the least recently read entries until they take no more than `target` bytes; returns what they take."""
    entries = []
    for path in (Path(parent, name) for parent, _, names in os.walk(folder) for name in names):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        if not path.name.startswith(local.TEMPORARY):
            entries.append((found.st_mtime_ns, found.st_size, path))
        elif time.time() - found.st_mtime > ABANDONED_S:
            path.unlink(missing_ok=True)
    left = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if left <= target:
            break
        path.unlink(missing_ok=True)
        left -= size
    return left

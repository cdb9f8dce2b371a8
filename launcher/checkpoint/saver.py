"""A rank's side of saving: a snapshot, a word to the node's uploader, and what became of it."""

import os
import queue
import select
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from launcher.checkpoint.destination import Destination
from launcher.checkpoint.fragment import Fragment
from launcher.checkpoint.outcome import Failed, Outcome, Rescued, Saved
from launcher.checkpoint.snapshot import Snapshot
from launcher.checkpoint.uploader_process import UploaderProcess
from launcher.checkpoint.wire import Message, address_of, check_peer, receive, send
from launcher.errors import LauncherError, RunOwned

CONNECT_S = 60.0
"""For the first rank of the node to open the address."""
LIVES = 3
"""Uploaders in a row that may die over one snapshot."""


class Saver:
    """One snapshot is on its way at a time.

    An uploader that dies loses nothing: the snapshot is still here, and the next one gets it. A thread sees to that,
    whatever the training does meanwhile.
    """

    def __init__(self, destination: Destination, rank: int, *, starts: bool) -> None:
        """Connect to the node's uploader.

        Args:
            rank: In the whole world.
            starts: Whether this rank starts it, and ends with it; one on each node does.

        Raises:
            LauncherError: no uploader listens at the node's address within a minute.
        """
        self._rank = rank
        self._process = UploaderProcess(destination) if starts else None
        self._address = address_of(destination.nonce, destination.node)
        self._snapshot = Snapshot()
        self._lock = threading.Lock()
        self._pending: Message | None = None
        self._told: Message | None = None
        self._deaths = 0
        self._outcomes: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()
        self._ended = threading.Event()
        self._wake = os.eventfd(0)
        self._connection = self._connect()
        self._thread = threading.Thread(target=self._watch, name="saver", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether the last snapshot is still on its way."""
        return self._pending is not None

    def save(
        self,
        step: int,
        fragments: Sequence[Fragment],
        state: Mapping[str, Any],
        metric: float | None,
        *,
        rescue: bool = False,
    ) -> float:
        """Take a snapshot, and leave the rest to the uploader; all ranks call it with the same step.

        Args:
            state: Cursor and counters; JSON. Rank 0's is the checkpoint's.
            metric: The latest evaluation's, by which the best checkpoint is kept.
            rescue: To the node's own disk instead of the store, and into no commit.

        Returns:
            Seconds that this took, and the loop waited.
        """
        assert not self.busy, "one snapshot at a time"
        start = time.monotonic()
        layout = self._snapshot.take(fragments)
        with self._lock:
            self._pending = {"step": step, "size": layout.size, "state": state, "metric": metric, "rescue": rescue}
            self._tell()
        return time.monotonic() - start

    def rescue(self) -> None:
        """Have the snapshot that is on its way put on the node's own disk too, whichever ends first; all ranks of a
        node call it, and again does no harm."""
        with self._lock:
            if self._pending is not None and not self._pending["rescue"]:
                self._pending = {**self._pending, "rescue": True}
                self._tell()

    def poll(self, seconds: float = 0.0) -> Outcome | None:
        """What became of a snapshot, each told once; waits for it no longer than so many seconds.

        On node 0 `Saved` means committed, on others that this node's part is stored. `Rescued` is on its own disk.

        Raises:
            RunOwned: another attempt has opened the run.
            LauncherError: one uploader after the other has died.
        """
        try:
            outcome = self._outcomes.get(timeout=seconds) if seconds > 0 else self._outcomes.get_nowait()
        except queue.Empty:
            return None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """End the uploader, if this rank started it, also in the middle of an upload; give the memory back."""
        self._ended.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)
        self._connection.close()
        if self._process is not None:
            self._process.close()
        self._snapshot.close()

    def _watch(self) -> None:
        """Until the end: take answers, and replace what died."""
        try:
            while not self._ended.is_set():
                watched = [self._connection.fileno(), self._wake, *([self._process.watch] if self._process else [])]
                ready = select.select(watched, [], [])[0]
                if self._ended.is_set():
                    return
                if self._process is not None and self._process.watch in ready:
                    self._revive(self._process)
                if watched[0] in ready:
                    self._hear()
        except Exception as error:  # told to whoever polls
            self._outcomes.put(error)

    def _hear(self) -> None:
        try:
            answer, _ = receive(self._connection)
        except EOFError:
            connection = self._connect()
            with self._lock:
                self._connection.close()
                self._connection = connection
                self._tell()
            return
        if self._pending is None or answer["step"] != self._pending["step"]:
            return  # told before, by an uploader that died since
        outcome: Outcome | Exception
        if "owned" in answer:
            outcome = RunOwned(answer["owned"])
        elif "failed" in answer:
            outcome = Failed(answer["step"], answer["failed"])
        elif "rescued" in answer:
            outcome = Rescued(answer["step"], answer["rescued"])
        else:
            outcome = Saved(**answer["saved"] | {"notes": tuple(answer["saved"]["notes"])})
        self._told, self._deaths, self._pending = answer, 0, None
        self._outcomes.put(outcome)

    def _revive(self, process: UploaderProcess) -> None:
        self._deaths += 1
        code = process.code()
        if self._deaths >= LIVES:
            raise LauncherError(
                f"{LIVES} uploaders of rank {self._rank} ended over one checkpoint (exit code {code}); see its log"
            )
        process.restart()

    def _tell(self) -> None:
        if self._pending is not None:
            with suppress(BrokenPipeError, ConnectionResetError):  # it died: the thread finds out, and tells the next
                send(self._connection, self._pending)

    def _connect(self) -> socket.socket:
        """As the listening socket outlives an uploader, only the first connection of all may have to wait."""
        end = time.monotonic() + CONNECT_S
        while True:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self._address)
                check_peer(connection)
                send(connection, {"rank": self._rank, "told": self._told}, [self._snapshot.descriptor])
                return connection
            except (ConnectionRefusedError, BrokenPipeError, ConnectionResetError) as error:
                connection.close()
                if time.monotonic() > end or self._ended.wait(0.05):
                    raise LauncherError(f"rank {self._rank}: no uploader listens on this node") from error

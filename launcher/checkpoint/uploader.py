"""The process that stores what a node's ranks took snapshots of, one for a node: `python -m` this, started by a rank.

It imports no torch, ends with the process that started it, and leaves nothing behind. Its standard input holds its
destination, and its arguments are the descriptor of the listening socket and the process to end with.

    {"rank": 0, "told": null}, with a descriptor                   who connects, what it was told last, its memory
    {"step": 12, "size": 4096, "state": {...}, "metric": null,     a snapshot was taken: for the store, or for the
     "rescue": false}                                              node's own disk
    {"step": 12, "saved": {...}}, or "rescued": "folder",          the answer, when every rank of the node has said so
     "failed" or "owned": "why"

An uploader that is killed may have told some ranks and not others. Those that were told say so to the next one, which
passes it on.
"""

import os
import select
import selectors
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace

from launcher.checkpoint.destination import Destination
from launcher.checkpoint.node import Node, Snapshot
from launcher.checkpoint.rescue import rescue
from launcher.checkpoint.wire import Message, check_peer, receive, send
from launcher.errors import LauncherError, RunOwned
from launcher.storage.content import Content
from launcher.storage.retry import Retry, one_line


def main() -> None:
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    destination = Destination.from_json(sys.stdin.buffer.read())
    _end_with(parent)
    Uploader(destination, socket.socket(fileno=descriptor)).serve()


class Uploader:
    """Gathers the ranks' words on one step, and saves it in a thread beside."""

    def __init__(self, destination: Destination, listener: socket.socket) -> None:
        self._node = Node(destination, Retry(deadline=destination.deadline_s))
        self._destination = destination
        self._ranks = destination.local_world
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._memory: dict[socket.socket, tuple[int, int]] = {}
        """Rank and descriptor by connection."""
        self._waiting: dict[socket.socket, tuple[int, int, Snapshot]] = {}
        """Step, rank and snapshot by connection, until all ranks have sent theirs."""
        self._rescue: set[socket.socket] = set()
        """Connections that want it on the node's own disk."""
        self._told: Message | None = None
        self._telling = threading.Lock()

    def serve(self) -> None:
        """Until the process is ended."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    check_peer(connection)
                    self._selector.register(connection, selectors.EVENT_READ)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._hear(key.fileobj)

    def _hear(self, connection: socket.socket) -> None:
        try:
            message, descriptors = receive(connection)
        except EOFError:
            self._forget(connection)
            return
        if "rank" in message:
            self._memory[connection] = message["rank"], descriptors[0]
            self._told = message["told"] or self._told
        else:
            rank, descriptor = self._memory[connection]
            content = Content(descriptor, message["size"])
            (self._rescue.add if message["rescue"] else self._rescue.discard)(connection)
            self._waiting[connection] = message["step"], rank, Snapshot(content, message["state"], message["metric"])
        self._pass_on()
        if len(self._waiting) == self._ranks and len(self._rescue) in (0, self._ranks):
            self._begin()

    def _pass_on(self) -> None:
        """Tell those that wait for it what others were told."""
        for connection, (step, _, _) in list(self._waiting.items()):
            if self._told is not None and self._told["step"] == step:
                del self._waiting[connection]
                self._tell(connection, self._told)

    def _begin(self) -> None:
        """Save in a thread, with descriptors of its own: a rank that dies takes its own with it."""
        steps = {step for step, _, _ in self._waiting.values()}
        assert len(steps) == 1, f"ranks of one node took snapshots of different steps: {steps}"
        snapshots = {
            rank: replace(snapshot, content=replace(snapshot.content, descriptor=os.dup(snapshot.content.descriptor)))
            for _, rank, snapshot in self._waiting.values()
        }
        self._waiting.clear()
        work = self._saved if not self._rescue else self._rescued
        threading.Thread(target=self._do, args=(work, steps.pop(), snapshots), daemon=True).start()

    def _saved(self, step: int, snapshots: Mapping[int, Snapshot]) -> Message:
        return {"saved": asdict(self._node.save(step, snapshots))}

    def _rescued(self, step: int, snapshots: Mapping[int, Snapshot]) -> Message:
        return {"rescued": rescue(self._destination, step, snapshots)}

    def _do(
        self, work: Callable[[int, Mapping[int, Snapshot]], Message], step: int, snapshots: Mapping[int, Snapshot]
    ) -> None:
        try:
            answer = work(step, snapshots)
        except RunOwned as error:
            answer = {"owned": str(error)}
        except Exception as error:  # told to the ranks; the next snapshot may fare better
            known = isinstance(error, LauncherError | OSError)
            answer = {"failed": one_line(error) if known else f"{type(error).__name__}: {one_line(error)}"}
        for snapshot in snapshots.values():
            os.close(snapshot.content.descriptor)
        for connection in list(self._memory):
            self._tell(connection, {"step": step, **answer})

    def _tell(self, connection: socket.socket, answer: Message) -> None:
        with suppress(OSError), self._telling:  # this rank has ended, which the selector tells too
            send(connection, answer)

    def _forget(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()
        self._waiting.pop(connection, None)
        self._rescue.discard(connection)
        if connection in self._memory:
            os.close(self._memory.pop(connection)[1])


def _end_with(parent: int) -> None:
    """End at once when the parent does, however that ends.

    Not by a signal at the parent's death: the kernel sends it when the *thread* ends that started this process.
    """
    watch = os.pidfd_open(parent)
    if os.getppid() != parent:
        os._exit(1)

    def wait() -> None:
        select.select([watch], [], [])
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main()

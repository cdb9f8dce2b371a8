"""The node's uploader as the rank that starts it sees it."""

import os
import socket
import subprocess
import sys
from contextlib import suppress

from launcher.checkpoint.destination import Destination
from launcher.checkpoint.wire import address_of


class UploaderProcess:
    """A process, and the listening socket, which outlives it: connections that it did not accept wait for the next.

    Attributes:
        watch: A descriptor that can be read from once the process has ended.
    """

    watch: int

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address_of(destination.nonce, destination.node))
        self._listener.listen(destination.local_world)
        self._start()

    def _start(self) -> None:
        listener = self._listener.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "launcher.checkpoint.uploader", str(listener), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener],
            start_new_session=True,  # Ctrl-C is for the driver
        )
        self.watch = os.pidfd_open(self._process.pid)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as told:  # it may have died already
            told.write(self._destination.to_json().encode())

    def restart(self) -> None:
        """Start another in place of one that has ended."""
        os.close(self.watch)
        self._start()

    def code(self) -> int:
        """Exit code of the one that has ended."""
        return self._process.wait()

    def close(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.wait()
        os.close(self.watch)
        self._listener.close()

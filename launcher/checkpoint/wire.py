"""Messages between the ranks of a node and its uploader: JSON objects over a Unix socket, with file descriptors.

The address is an abstract one, which leaves no file behind. Anyone on the machine may connect to it, so both sides
ask the kernel who the other is.
"""

import array
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from launcher.errors import LauncherError

Message = Mapping[str, Any]
LENGTH = struct.Struct("!Q")
ENDED = "the other side has ended"
CREDENTIALS = struct.Struct("3i")
"""Process, user, group."""


def address_of(nonce: str, node: int) -> str:
    """Where the uploader of a node listens, for one attempt."""
    return f"\0launcher-upload-{nonce}-{node}"


def send(connection: socket.socket, message: Message, descriptors: Sequence[int] = ()) -> None:
    """Send a message, and descriptors that the other side gets copies of."""
    data = json.dumps(message).encode()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sent = connection.sendmsg([LENGTH.pack(len(data))], ancillary)
    assert sent == LENGTH.size, "eight bytes go at once"
    connection.sendall(data)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message and the descriptors that came with it.

    Raises:
        EOFError: the other side has ended.
    """
    try:
        start, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size, 1)
        (length,) = LENGTH.unpack(start + _read(connection, LENGTH.size - len(start)))
        return json.loads(_read(connection, length)), descriptors
    except ConnectionResetError as error:  # it ended before it read all that was sent to it
        raise EOFError(ENDED) from error


def check_peer(connection: socket.socket) -> None:
    """See that the other side is a process of the same user.

    Raises:
        LauncherError: it is another's.
    """
    _, user, _ = CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
    if user != os.geteuid():
        raise LauncherError(f"a process of user {user} stands at the uploader's address; start another attempt")


def _read(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more:
            raise EOFError(ENDED)
        data += more
    return bytes(data)

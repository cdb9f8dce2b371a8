"""The network interfaces of this machine, by their addresses (IPv4)."""

import fcntl
import socket
import struct

SIOCGIFADDR = 0x8915
"""Of netdevice(7): asks for an interface's address."""


def interfaces() -> dict[str, str]:
    """Name to address; those without one are left out."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:  # it has none
                continue
            found[name] = socket.inet_ntoa(answer[20:24])
    return found


def interface_of(address: str) -> str | None:
    """The interface that has an address."""
    return next((name for name, own in interfaces().items() if own == address), None)

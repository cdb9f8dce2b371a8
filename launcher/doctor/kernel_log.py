"""The kernel's log."""

import os

PLACE = "/dev/kmsg"
RECORD = 8192
"""Bytes of the longest record (printk.h)."""


def kernel_log(place: str = PLACE) -> str | None:
    """All that the kernel still has, or None where this user may not read it.

    A read gives one record, and fails with EPIPE where the next was overwritten meanwhile
    (https://www.kernel.org/doc/Documentation/ABI/testing/dev-kmsg).
    """
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    records = []
    try:
        while True:
            try:
                record = os.read(descriptor, RECORD)
            except BrokenPipeError:
                continue
            except BlockingIOError:
                break
            if not record:
                break
            records.append(record)
    finally:
        os.close(descriptor)
    return b"".join(records).decode(errors="replace")

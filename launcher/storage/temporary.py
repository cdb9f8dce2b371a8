"""Temporary files: the disk that they stand on may be full."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from launcher.errors import LauncherError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def temporary_space() -> Iterator[None]:
    """Where temporary files are written: a disk that takes no more is told in one line.

    Raises:
        LauncherError: the disk is full, or the quota or limit of a file is reached.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise LauncherError(
            f"{tempfile.gettempdir()}: no room for temporary files ({error.strerror}); "
            "make room there, or set TMPDIR to a larger folder"
        ) from error

"""A rank's output, libraries' chatter included, in a file of the run directory."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.storage.store import Store


@contextmanager
def output_to(store: Store, name: str) -> Iterator[None]:
    """Send everything this process prints, C libraries' output too, to an object of the store.

    On a local store lines are there as they are written; elsewhere the file is stored when the context ends.
    """
    local = store.local_path(name)
    path = local if local is not None else Path(tempfile.mkdtemp(prefix="ll-log-")) / "rank.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as stream:
        saved = [os.dup(1), os.dup(2)]
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, original in zip((1, 2), saved, strict=True):
            os.dup2(original, number)
            os.close(original)
        if local is None:
            store.write(name, path.read_bytes())
            path.unlink()
            path.parent.rmdir()

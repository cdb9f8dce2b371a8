"""What a run keeps of its own output: there when pods, nodes and clusters are gone."""

import re
from collections.abc import Iterator

from launcher.errors import InvalidInput
from launcher.storage.store import Store

RANK_LOG = re.compile(r"logs/(\d+)-(\d+)\.log")


def kept_logs(run_url: str, why: str) -> Iterator[str]:
    """Lines of every rank of the newest attempt that has some.

    Args:
        why: Tells why these are shown.

    Raises:
        InvalidInput: the run directory has none.
    """
    store = Store.open(run_url)
    try:
        names = store.list("logs")
    except Exception as error:  # every object store has exceptions of its own
        told = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInput(f"{why}, and {run_url}/logs cannot be read: {told}") from error
    found = sorted((int(match[1]), int(match[2]), name) for name in names if (match := RANK_LOG.fullmatch(name)))
    if not found:
        raise InvalidInput(f"{why}, and {run_url}/logs has nothing: no worker of the run has started yet")
    newest = found[-1][0]
    yield f"launcher: {why}; this is what the run directory has of attempt {newest}"
    for attempt, rank, name in found:
        if attempt == newest:
            yield f"==> {run_url}/{name}, rank {rank}"
            yield from store.read(name).decode(errors="replace").splitlines()

"""`launcher stop`: an object in the run directory that the driver of the attempt looks for."""

import getpass
import json
import socket
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from launcher.checkpoint.entries import Close
from launcher.checkpoint.journal import Journal
from launcher.errors import LauncherError
from launcher.interrupt.notice import Notice
from launcher.interrupt.watch import Source
from launcher.storage.client import single_try
from launcher.storage.retry import Retry
from launcher.storage.store import AlreadyExists, Store

POLL_S = 1.0


def stop_name(attempt: int) -> str:
    """Asks one attempt to end: a later start of the run is not meant."""
    return f"stop/{attempt}"


def stop_source(store: Store, attempts: Collection[int]) -> Source:
    """Looks for a word to one of a driver's own attempts: it may have come in between two."""
    single = single_try(store)

    def asked() -> Notice | None:
        for attempt in reversed(list(attempts)):
            if single.exists(stop_name(attempt)):
                who = json.loads(single.read(stop_name(attempt)))["by"]
                return Notice("stop", f"launcher stop, by {who}")
        return None

    return asked


def ask_to_stop(
    store: Store,
    tell: Callable[[str], None],
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Ask the attempt that has a run to commit and end, and wait for it.

    Returns:
        How it ended, or that there was nothing to end.

    Raises:
        LauncherError: it did not end within so many seconds; the word stays there.
    """
    journal = Journal(single_try(store), Retry())
    owner = journal.owner()
    if owner is None:
        return f"no attempt has {store.location}: nothing to stop"
    _leave_word(store, owner.attempt)
    who = f"attempt {owner.attempt} ({owner.backend} job {owner.job_id} on {', '.join(owner.hosts)})"
    tell(f"asked {who} to commit and to end")
    start = clock()
    while clock() - start < wait_s:
        after = [each for each in journal.entries() if isinstance(each, Close) and each.attempt >= owner.attempt]
        if after and journal.owner() is None:
            return f"attempt {after[-1].attempt} has closed: {after[-1].cause}"
        sleep(POLL_S)
    raise LauncherError(
        f"{store.location}: {who} did not close within {wait_s:.0f} s; it may still do so, or be dead: "
        "see its output, or end it with its scheduler"
    )


def _leave_word(store: Store, attempt: int) -> None:
    told = {"by": f"{getpass.getuser()} on {socket.gethostname()}", "time": datetime.now(UTC).isoformat()}
    name = stop_name(attempt)
    try:
        Retry().call(f"{store.location}/{name}", lambda _: store.create(name, json.dumps(told).encode()))
    except AlreadyExists:
        return  # asked before, or only the answer was lost

"""What matters of a failed attempt, in one folder of the run directory: its cause, and the ends of the logs.

failures/<attempt>/cause.json        what failed first, and what may be done
failures/<attempt>/rank-<r>.txt      its traceback and the end of its log, of the first cause's rank first
failures/<attempt>/ray-<name>.txt    the end of what Ray and its workers wrote to stderr
failures/<attempt>/notes.txt         the last lines of ranks and uploaders for the terminal
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from launcher.storage.layout import rank_log
from launcher.storage.retry import Retry, one_line
from launcher.storage.store import AlreadyExists, Store
from launcher.train.desk import RankFailure
from launcher.train.outcome import Failed
from launcher.train.verdicts import NAMED

TAIL = 64 << 10
"""Bytes of a log."""
RANKS = 16
"""Of which something is kept, at the most."""
RAY_LOGS = 8
PATTERNS = ("worker-*.err", "raylet.err", "gcs_server.err")
DEADLINE_S = 30.0
"""For the store to come back: the next attempt waits for this."""


def bundle_name(attempt: int) -> str:
    return f"failures/{attempt}"


def keep_bundle(store: Store, attempt: int, failed: Failed, logs: Path | None, tell: Callable[[str], None]) -> None:
    """Write it, once. A store that takes nothing costs only this.

    Args:
        logs: Ray's folder of logs on this machine; None where there is none.
    """
    retry, folder = Retry(deadline=DEADLINE_S), bundle_name(attempt)
    try:
        for name, content in _parts(store, attempt, failed, logs):
            place = f"{folder}/{name}"
            retry.call(f"{store.location}/{place}", _creation(store, place, content))
    except Exception as error:  # the failure itself is what the user must hear of
        tell(f"{store.location}/{folder}: not all of it could be kept: {one_line(error)}")


def _creation(store: Store, place: str, content: bytes) -> Callable[[float], None]:
    def create(_: float) -> None:
        try:
            store.create(place, content)
        except AlreadyExists:
            return  # only the answer was lost

    return create


def _parts(store: Store, attempt: int, failed: Failed, logs: Path | None) -> Iterator[tuple[str, bytes]]:
    cause = failed.cause
    told = {
        "kind": cause.kind,
        "error": str(cause.error),
        "verdict": NAMED[cause.kind].verdict,
        "mend": NAMED[cause.kind].mend,
        "rank": cause.rank,
        "host": cause.host,
        "step": cause.step,
        "ranks": [{"rank": each.rank, "host": each.host, "error": each.error} for each in failed.told],
    }
    yield "cause.json", json.dumps(told, indent=1).encode()
    if failed.notes:
        yield "notes.txt", "".join(f"{line}\n" for line in failed.notes).encode()
    of_ranks = {each.rank: each for each in failed.told}
    first = [] if cause.rank is None else [cause.rank]
    for rank in [*first, *(rank for rank in sorted(of_ranks) if rank not in first)][:RANKS]:
        yield f"rank-{rank}.txt", _of_rank(store, attempt, rank, of_ranks.get(rank))
    if logs is not None:
        found = [path for pattern in PATTERNS for path in sorted(logs.glob(pattern)) if path.stat().st_size]
        for path in found[:RAY_LOGS]:
            yield f"ray-{path.stem}.txt", _tail(path.read_bytes())


def _of_rank(store: Store, attempt: int, rank: int, told: RankFailure | None) -> bytes:
    try:
        log = _tail(store.read(rank_log(attempt, rank)))
    except FileNotFoundError:  # in an object store it is written as the rank ends, and this one was killed
        log = b"no log is there\n"
    traceback = b"" if told is None else told.traceback.encode()[-TAIL:]
    return traceback + b"\n--- end of its log ---\n" + log


def _tail(content: bytes) -> bytes:
    return content[-TAIL:]

"""Shards made by Ray tasks, some at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayError

from launcher.data.prepared.make import Made, Piece, make_shard, to_do
from launcher.data.prepared.shards import Receipt
from launcher.data.prepared.work import Encoding, Work
from launcher.errors import LauncherError
from launcher.storage.store import Store

if TYPE_CHECKING:
    from ray import ObjectRef

    Running = dict[ObjectRef[bytes], tuple[int, int]]

AHEAD = 2
"""Shards under way for each task that runs: their rows are in memory, so that no task waits for any."""


def in_tasks(work: Work, store: Store, tasks: int) -> Iterator[Made]:
    """Every shard, as they are done; `tasks` are made at once.

    Raises:
        LauncherError: a task failed.
    """
    make, encoding = ray.remote(_make), ray.put(work.encoding)
    running: Running = {}
    for each in to_do(work, store):
        if isinstance(each, Made):
            yield each
            continue
        if len(running) == AHEAD * tasks:
            yield _next_done(running)
        running[make.remote(each, encoding, store)] = each.number, len(each.rows)
    while running:
        yield _next_done(running)


def _make(piece: Piece, encoding: Encoding, store: Store) -> bytes:
    return make_shard(piece, encoding, store).to_bytes()


def _next_done(running: "Running") -> Made:
    [done], _ = ray.wait(list(running))
    number, rows = running.pop(done)
    try:
        return Made(number, rows, Receipt.from_bytes(ray.get(done)))
    except RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, LauncherError):
            raise cause from None
        raise LauncherError(f"shard {number} could not be made: {' '.join(str(error).split())[:300]}") from error

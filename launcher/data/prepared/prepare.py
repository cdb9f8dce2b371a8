"""Rows to a prepared data set: encoded and stored by Ray tasks; run again after a kill, it goes on where it was.

Rows are read in one place, as de-duplication has to see them all. What a shard holds depends on them alone, and
everything is stored under a name of its own and never twice: so the result is the same, byte for byte, whatever the
number of tasks and whatever came between.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ray
from ray.exceptions import RayError

from launcher.data.encode import all_masked, encode_rows
from launcher.data.prepared.finish import finish, store_once
from launcher.data.prepared.manifest import MANIFEST, Manifest
from launcher.data.prepared.shards import Receipt, write_shard
from launcher.data.prepared.work import RECEIPT, SHARD, Encoding, Work, pieces
from launcher.data.rows import Row
from launcher.errors import InvalidInput, LauncherError
from launcher.storage.store import Store

if TYPE_CHECKING:
    from ray import ObjectRef

    Running = dict[ObjectRef[bytes], tuple[int, int]]

AHEAD = 2
"""Shards under way for each task that runs: their rows are in memory, so that no task waits for any."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far preparation is."""

    rows: int
    all_rows: int
    documents: int = 0
    tokens: int = 0


def find_prepared(work: Work, store: Store) -> Manifest | None:
    """The manifest of this very work, where it is done already.

    Raises:
        InvalidInput: another data set is there.
    """
    if not store.exists(MANIFEST):
        return None
    found = Manifest.from_json(store.read(MANIFEST), f"{store.location}/{MANIFEST}")
    if found.made_of != work.made_of:
        raise InvalidInput(
            f"{store.location} holds another data set ({found.made_of[:12]}, and this one is {work.made_of[:12]}): "
            "rows, task, tokenizer, max_length or sizes differ; give another folder"
        )
    return found


def prepare(work: Work, store: Store, tasks: int, show: Callable[[Progress], None]) -> Manifest:
    """Encode and store what is not there yet, in the Ray cluster at hand.

    Args:
        tasks: how many this cluster runs at once.

    Raises:
        InvalidInput: rows do not fit, none has a label left, or other bytes stand under a name that is needed.
        LauncherError: a task failed, or the store takes no more.
    """
    receipts: dict[int, Receipt] = {}
    progress = Progress(0, len(work.rows))
    for number, rows, data in _receipts(work, store, AHEAD * tasks):
        receipts[number] = receipt = Receipt.from_bytes(data)
        documents, tokens = progress.documents + receipt.documents, progress.tokens + receipt.tokens
        progress = Progress(progress.rows + rows, progress.all_rows, documents, tokens)
        show(progress)
    if not progress.documents:
        raise all_masked("data.train", work.encoding.max_length)
    return finish(
        store,
        [receipts[number] for number in range(len(receipts))],
        format="arrow",
        task=work.encoding.task.kind,
        made_of=work.made_of,
        max_length=work.encoding.max_length,
        tokenizer=work.tokenizer,
    )


def _receipts(work: Work, store: Store, at_most: int) -> Iterator[tuple[int, int, bytes]]:
    """Number, rows and receipt of each shard, as they are done; so many are under way at the most."""
    there = set(store.list("shards"))
    make, encoding = ray.remote(_make_shard), ray.put(work.encoding)
    running: Running = {}
    for number, piece in enumerate(pieces(work.rows, work.encoding.sizes.shard)):
        stem = work.stem(number)
        if {stem + SHARD, stem + RECEIPT} <= there:
            yield number, len(piece), store.read(stem + RECEIPT)
            continue
        if len(running) == at_most:
            yield _next_done(running)
        running[make.remote(piece, number, stem, encoding, store)] = number, len(piece)
    while running:
        yield _next_done(running)


def _next_done(running: "Running") -> tuple[int, int, bytes]:
    [done], _ = ray.wait(list(running))
    number, rows = running.pop(done)
    try:
        return number, rows, ray.get(done)
    except RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, LauncherError):
            raise cause from None
        raise LauncherError(f"shard {number} could not be made: {' '.join(str(error).split())[:300]}") from error


def _make_shard(piece: list[Row], number: int, stem: str, encoding: Encoding, store: Store) -> bytes:
    """A Ray task: encode and store one shard, and its receipt once the shard is there."""
    examples = encode_rows(piece, encoding.task, encoding.tokenizer, encoding.max_length)
    shard, receipt = write_shard(stem + SHARD, number, examples, encoding.sizes.block)
    store_once(store, stem + SHARD, shard)
    store_once(store, stem + RECEIPT, receipt.to_bytes())
    return receipt.to_bytes()

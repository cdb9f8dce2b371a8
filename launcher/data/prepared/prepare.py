"""Rows to a prepared data set: encoded and stored; run again after a kill, it goes on where it was.

Rows are read in one place, as de-duplication has to see them all. What a shard holds depends on them alone, and
shards are stored under a name of their own and never twice: so the result is the same, byte for byte, whatever the
number of tasks and whatever came between.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from launcher.data.encode import all_masked
from launcher.data.prepared.finish import finish
from launcher.data.prepared.make import Made, make_shard, to_do
from launcher.data.prepared.manifest import Manifest
from launcher.data.prepared.verify import find_manifest
from launcher.data.prepared.work import Work
from launcher.errors import InvalidInput
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class Progress:
    """How far preparation is."""

    rows: int
    all_rows: int
    documents: int = 0
    tokens: int = 0


Show = Callable[[Progress], None]


def find_prepared(work: Work, store: Store) -> Manifest | None:
    """The manifest of this very work, where it is done already.

    Raises:
        InvalidInput: another data set is there.
    """
    found = find_manifest(store)
    if found is not None and found.made_of != work.made_of:
        raise InvalidInput(
            f"{store.location} holds another data set ({found.made_of[:12]}, and this one is {work.made_of[:12]}): "
            "rows, task, tokenizer, max_length or sizes differ; give another folder"
        )
    return found


def prepare(work: Work, store: Store, tasks: int, show: Show) -> Manifest:
    """Encode and store what is not there yet, in the Ray cluster at hand.

    Args:
        tasks: how many this cluster runs at once.

    Raises:
        InvalidInput: rows do not fit, none has a label left, or other bytes stand under a name that is needed.
        LauncherError: a task failed, or the store takes no more.
    """
    from launcher.data.prepared.tasks import in_tasks

    return _finished(work, store, in_tasks(work, store, tasks), show)


def prepare_here(work: Work, store: Store, show: Show) -> Manifest:
    """Encode and store what is not there yet in this process, one shard after another: the same bytes, without Ray.

    Raises:
        InvalidInput, LauncherError: as `prepare`.
    """
    made = (
        each if isinstance(each, Made) else Made(each.number, len(each.rows), make_shard(each, work.encoding, store))
        for each in to_do(work, store)
    )
    return _finished(work, store, made, show)


def _finished(work: Work, store: Store, made: Iterable[Made], show: Show) -> Manifest:
    """Index and manifest of all shards, in whatever order they come."""
    receipts = {}
    progress = Progress(0, len(work.rows))
    for each in made:
        receipts[each.number] = receipt = each.receipt
        documents, tokens = progress.documents + receipt.documents, progress.tokens + receipt.tokens
        progress = Progress(progress.rows + each.rows, progress.all_rows, documents, tokens)
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

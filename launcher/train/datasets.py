"""What a run trains on, prepared once below its storage for all runs that read the same."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.data.dataset import Dataset, TrainSource
from launcher.data.prepared.fingerprint import check_tokenizer
from launcher.data.prepared.opened import PreparedSet, open_prepared
from launcher.data.prepared.prepare import Progress, find_prepared, prepare, prepare_here
from launcher.data.prepared.work import Encoding, Work, pieces
from launcher.data.stream.packing import Packing, window_blocks
from launcher.data.stream.pieces import long_documents
from launcher.data.stream.stream import Stream
from launcher.errors import InvalidInput
from launcher.plan.batch import BatchPlan, plan_batches
from launcher.plan.placement import Placement
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import DATASETS
from launcher.storage.store import Store
from launcher.train.console import PLAIN_INTERVAL_S, RunConsole
from launcher.train.job import CacheFolder, TrainingSet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

STRETCH = 50
"""Steps whose rows `group_by_length` sorts together, at the most; a quarter of an epoch's, as in transformers."""
FEW_MASKED = 0.01
"""Share of documents without a label that passes without a warning."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The data sets of a run, and the steps that they make."""

    sets: tuple[TrainingSet, ...]
    batches: BatchPlan
    mean_tokens: float
    """Of a document."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What preparing needs besides the rows."""

    recipe: Recipe
    tokenizer: "PreTrainedTokenizerBase"
    placement: Placement
    storage: str
    cache: CacheFolder
    screen: RunConsole


def prepared_sets(how: Preparation, dataset: Dataset) -> list[PreparedSet]:
    """What the recipe's sources come to; what is not prepared yet is, in the Ray cluster at hand.

    Raises:
        InvalidInput: rows do not fit, or a data set was made with another tokenizer or for another task.
        LauncherError: a task failed, or a store did.
    """
    opened = [_open(how, source) for source in dataset.sources]
    for each in opened:
        _tell(how, each)
    return opened


def training_data(
    how: Preparation, dataset: Dataset, opened: Sequence[PreparedSet], global_batch: int | None = None
) -> TrainingData:
    """Plan the steps.

    Args:
        global_batch: Of a run that goes on; it holds at any world size.
    """
    recipe, training, world = how.recipe, how.recipe.training, how.placement.workers
    if global_batch is not None:
        update = {"global_batch_size": global_batch, "gradient_accumulation_steps": None}
        training = training.model_copy(update=update)
    documents, tokens = (
        sum(getattr(each.manifest.totals, name) for each in opened) for name in ("documents", "tokens")
    )
    batches = plan_batches(training, world=world, documents=documents, tokens=tokens)
    sets = tuple(
        TrainingSet(each.store.location, each.manifest.digest, _packing(recipe, each, batches), source.weight)
        for each, source in zip(opened, dataset.sources, strict=True)
    )
    for each, made in zip(opened, sets, strict=True):
        stream = Stream(each.index, made.packing, made.manifest)
        if (rows := stream.epoch_packs_below(batches.global_batch)) is not None:
            how.screen.line(
                f"note      an epoch has {rows:,} rows, fewer than the {batches.global_batch:,} of a step: "
                "steps read documents more than once"
            )
    return TrainingData(sets, batches, tokens / documents)


def _open(how: Preparation, source: TrainSource) -> PreparedSet:
    if source.rows is None:
        assert source.prepared is not None
        return _given(how, source, Store.open(source.prepared))
    recipe = how.recipe
    length, long = recipe.training.max_length, recipe.long_documents
    work = Work.of(source.rows, Encoding(recipe.task, how.tokenizer, length, long=long))
    store = Store.open(f"{how.storage.rstrip('/')}/{DATASETS}/{work.made_of[:32]}")
    if find_prepared(work, store) is None:
        how.screen.wait(f"encoding {len(source.rows):,} rows")
        if len(list(islice(pieces(source.rows, work.encoding.sizes.shard), 2))) < 2:
            prepare_here(work, store, _shown(how.screen))  # a Ray task would take longer to start than one shard does
        else:
            prepare(work, store, how.placement.workers, _shown(how.screen))
    return open_prepared(store, Path(how.cache.path, "indexes"))


def _given(how: Preparation, source: TrainSource, store: Store) -> PreparedSet:
    """A data set that the recipe names."""
    opened, place = open_prepared(store, Path(how.cache.path, "indexes")), f"{source.path}: {store.location}"
    check_tokenizer(opened.manifest, how.tokenizer, place)
    if opened.manifest.task != how.recipe.task.kind:
        raise InvalidInput(
            f"{place} was prepared for the task {opened.manifest.task}, and the recipe's is {how.recipe.task.kind}; "
            "give a data set of this task"
        )
    return opened


def _packing(recipe: Recipe, opened: PreparedSet, batches: BatchPlan) -> Packing:
    training, documents = recipe.training, opened.manifest.totals.documents
    return Packing(
        mode=training.mode,
        capacity=training.max_length,
        seed=training.order_seed,
        blocks=window_blocks(opened.index, training.max_length),
        long=recipe.long_documents,
        stretch=batches.global_batch * max(1, min(documents // (4 * batches.global_batch), STRETCH)),
    )


def _tell(how: Preparation, opened: PreparedSet) -> None:
    """What was read, and what of it is not trained on."""
    totals, length, screen = opened.manifest.totals, how.recipe.training.max_length, how.screen
    screen.line(f"texts     {totals.documents:,} of {totals.tokens:,} tokens in {opened.store.location}")
    if totals.truncated:
        screen.line(f"cut       {totals.truncated:,} of them, which are longer than {length:,} tokens")
    if totals.masked:
        share = totals.masked / (totals.masked + totals.documents)
        warned = f", which is {share:.1%}: raise training.max_length" if share > FEW_MASKED else ""
        screen.line(f"left out  {totals.masked:,} texts, as cutting them leaves no label{warned}")
    if opened.manifest.max_length > length:
        index = opened.index
        long = long_documents(map(index.lengths, range(len(index))), length)
        if long.documents:
            done = "split into rows" if how.recipe.long_documents == "split" else "cut"
            screen.line(f"{done:<9} {long.documents:,} of them at {length:,} tokens; {long.tokens:,} lie beyond")


def _shown(screen: RunConsole) -> Callable[[Progress], None]:
    told = time.monotonic()

    def show(now: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= PLAIN_INTERVAL_S:
            told = time.monotonic()
            screen.wait(f"encoding  {now.rows:,} of {now.all_rows:,} rows, {now.tokens:,} tokens")

    return show

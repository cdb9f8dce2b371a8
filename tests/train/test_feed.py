"""A feed from a prepared data set: resumed anywhere, by any number of ranks, and with a corrupt block."""

from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from launcher.data.prepared.reader import CorruptBlock
from launcher.data.stream.consumed import Tally, whole_epoch
from launcher.data.stream.packing import Packing, window_blocks
from launcher.plan.batch import plan_batches
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.storage.store import Store
from launcher.train.feed import Feed
from launcher.train.job import TrainingSet
from launcher.train.open_feed import open_feed
from launcher.train.rank import Rank
from tests.data.prepared.small_set import SmallSet
from tests.memory_set import MemorySet
from tests.train.ranks import examples, on_ranks, rank_of, recipe

LENGTH, BAD = 256, 5
TRAINING = Training(packing=True, max_length=LENGTH, global_batch_size=7, per_device_train_batch_size=2)


class Quiet(Rank):
    """Keeps what it tells."""

    def tell(self, message: object) -> None:
        print(message)


def packing(made: SmallSet) -> Packing:
    return Packing("packed", LENGTH, 42, window_blocks(made.index, LENGTH) // 3)


def rank_on(made: SmallSet, number: int, world: int, corrupt: str, folder: Path) -> Rank:
    planned = recipe(TRAINING, Ddp(kind="ddp"))
    planned = planned.model_copy(update={"data": planned.data.model_copy(update={"corrupt_blocks": corrupt})})
    rank = rank_of(number, world, planned, made.manifest.totals.documents, folder)
    totals = made.manifest.totals
    batches = plan_batches(TRAINING, world=world, documents=totals.documents, tokens=totals.tokens)
    given = TrainingSet(made.store.location, made.manifest.digest, packing(made), 1.0)
    job = replace(rank.job, training_sets=(given,), batches=batches)
    return Quiet(number, world, rank.seat, rank.device, job, rank.store, desk=None)  # type: ignore[arg-type]


def epoch_of(feed: Feed) -> dict[str, Any]:
    """Everything that a rank has of an epoch, as plain values."""
    tokens, ended = [], []
    for step in iter(feed.next, None):
        tokens.append(
            sorted(token for _, batch in step.batches for token in batch.input_ids[batch.labels != -100].tolist())
        )
        ended += step.ended
    return {"tokens": tokens, "cursor": feed.cursor.to_json(), "ended": ended}


def one_epoch(rank: int, world: int, folders: list[str], corrupt: str) -> dict[str, Any] | str:
    """An epoch; each rank reads its own copy of the data set."""
    made = SmallSet.write(Store.open(folders[rank]))
    if rank == 1:
        made.damage(BAD)
    try:
        with open_feed(rank_on(made, rank, world, corrupt, Path(folders[rank])), 0) as feed:
            return epoch_of(feed)
    except CorruptBlock as error:
        return str(error)


def test_ranks_agree_to_leave_out_a_block_that_one_of_them_finds_corrupt(tmp_path: Path) -> None:
    folders = [str(tmp_path / name) for name in ("a", "b")]
    one, other = on_ranks(2, tmp_path / "ranks", one_epoch, folders, "quarantine")
    assert one["cursor"] == other["cursor"]
    made = SmallSet.write(Store.open(str(tmp_path / "c")))
    (end,) = one["ended"]
    assert end.left_out.documents == len(made.documents[BAD])
    assert end.consumed + end.left_out == whole_epoch(made.index, packing(made))
    with open_feed(rank_on(made, 0, 1, "stop", tmp_path), 0) as feed:
        whole = epoch_of(feed)
    assert whole["ended"][0].left_out == Tally()
    together = [sorted(mine + theirs) for mine, theirs in zip(one["tokens"], other["tokens"], strict=True)]
    assert sum(map(len, together)) == sum(map(len, whole["tokens"])) - sum(
        max(0, len(document) - 1) for document in made.documents[BAD]
    )


def test_a_corrupt_block_ends_the_run_where_the_recipe_says_so(tmp_path: Path) -> None:
    made = SmallSet.write(Store.open(str(tmp_path / "data")))
    made.damage(BAD)
    with open_feed(rank_on(made, 0, 1, "stop", tmp_path), 0) as feed, pytest.raises(CorruptBlock, match="block 5 at"):
        epoch_of(feed)


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_a_feed_that_is_resumed_with_other_ranks_goes_on_with_the_same_steps(tmp_path: Path, stop: int) -> None:
    made = SmallSet.write(Store.open(str(tmp_path / "data")))
    with open_feed(rank_on(made, 0, 1, "stop", tmp_path), 0) as feed:
        whole = epoch_of(feed)
    with open_feed(rank_on(made, 0, 1, "stop", tmp_path), 0) as feed:
        cursor = [feed.next() for _ in range(stop)][-1].cursor
    found = []
    for number in range(3):
        with open_feed(rank_on(made, number, 3, "stop", tmp_path), 0) as feed:
            feed.resume(cursor, stop)
            found.append(epoch_of(feed))
    assert {each["cursor"] for each in found} == {whole["cursor"]}
    assert [each["ended"] for each in found] == [whole["ended"]] * 3
    together = [sorted(chain(*parts)) for parts in zip(*(each["tokens"] for each in found), strict=True)]
    assert together == whole["tokens"][stop:]


@pytest.mark.parametrize("packing", [False, True])
def test_batches_for_a_gpu_are_pinned_whole(monkeypatch: pytest.MonkeyPatch, packing: bool) -> None:
    """Whether memory is page-locked only a GPU's driver can say."""
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    training = Training(max_steps=1, per_device_train_batch_size=2, packing=packing, max_length=64)
    rows = MemorySet(examples(20))
    for feed in (rows.feed(training), rows.feed(training, pin=True)):
        step = feed.next()
        assert step is not None
        tensors = [each for _, batch in step.batches for each in vars_of(batch) if isinstance(each, torch.Tensor)]
        assert tensors
        assert all(any(each is one for one in pinned) for each in tensors) == bool(pinned)


def vars_of(batch: Any) -> list[Any]:
    return [getattr(batch, each.name) for each in fields(batch)]


def test_a_small_data_set_fills_a_step_with_several_epochs() -> None:
    training = Training(global_batch_size=50, num_train_epochs=4, per_device_train_batch_size=8)
    feed = MemorySet(examples(20)).feed(training)
    first, second = iter(feed.next, None)
    assert sum(len(batch.input_ids) for _, batch in first.batches) == 50
    assert sum(len(batch.input_ids) for _, batch in second.batches) == 30
    assert [epoch.epoch for epoch in (*first.ended, *second.ended)] == [0, 1, 2, 3]

"""Small parts of a rank: its output, its random numbers, its feed."""

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from launcher.recipe.training import Training
from launcher.storage.store import Store
from launcher.train.output import output_to
from launcher.train.seeds import seed_micro_batch
from tests.memory_set import MemorySet
from tests.train.ranks import examples


def test_everything_a_rank_prints_is_in_its_log(tmp_path: Path):
    with output_to(Store.open(str(tmp_path)), "logs/1-0.log"):
        os.write(1, b"from Python\n")
        os.write(2, b"from C\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    print("afterwards")
    assert (tmp_path / "logs/1-0.log").read_text() == "from Python\nfrom C\nfrom a child\n"


def test_random_numbers_depend_on_seed_step_and_row_alone():
    def drawn(*key: int) -> float:
        seed_micro_batch(*key, torch.device("cpu"))
        return float(torch.rand(()))

    assert drawn(1, 2, 3) == drawn(1, 2, 3)
    assert len({drawn(*key) for key in [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4), (12, 3, 0), (1, 23, 0)]}) == 6


@given(world=st.integers(1, 5), micro=st.integers(1, 4), batch=st.integers(1, 12), step=st.integers(0, 4))
def test_all_ranks_together_count_the_same_whatever_their_number(world: int, micro: int, batch: int, step: int):
    rows = examples(13)
    training = Training(global_batch_size=batch, per_device_train_batch_size=micro, max_steps=5)

    def counted(ranks: int) -> tuple[int, int]:
        feeds = [MemorySet(rows).feed(training, rank=rank, world=ranks) for rank in range(ranks)]
        for _ in range(step):
            assert all(feed.next() for feed in feeds)
        parts = [feed.next() for feed in feeds]
        assert len({len(part.batches) for part in parts}) == 1
        return sum(part.label_tokens for part in parts), sum(part.tokens for part in parts)

    assert counted(world) == counted(1)


@given(world=st.integers(1, 5), micro=st.integers(1, 3))
def test_micro_batches_are_the_same_whatever_the_number_of_ranks(world: int, micro: int):
    training = Training(global_batch_size=12, per_device_train_batch_size=micro, max_steps=1)

    def seen(ranks: int) -> dict[int, list[list[int]]]:
        parts = [MemorySet(examples(40)).feed(training, rank=rank, world=ranks).next() for rank in range(ranks)]
        return {first: batch.input_ids.tolist() for part in parts for first, batch in part.batches if first >= 0}

    if world * micro <= 12:
        assert seen(world) == seen(1)


def test_past_the_last_step_there_is_nothing():
    feed = MemorySet(examples(13)).feed(Training(max_steps=2, global_batch_size=4))
    assert [feed.next() is None for _ in range(4)] == [False, False, True, True]
    assert (feed.step, feed.progress) == (2, 1.0)


@pytest.mark.parametrize("mode", [{}, {"packing": True}, {"train_sampling_strategy": "group_by_length"}])
@pytest.mark.parametrize("epochs", [1, 2, 1.5])
def test_a_run_of_epochs_ends_with_its_documents_and_moves_the_schedule_by_them(mode: dict[str, Any], epochs: float):
    training = Training(global_batch_size=4, num_train_epochs=epochs, max_length=32, **mode)
    made = MemorySet(examples(50))
    feed = made.feed(training)
    steps = list(iter(feed.next, None))
    assert feed.progress == steps[-1].progress == 1.0
    assert [epoch.epoch for step in steps for epoch in step.ended] == list(range(int(epochs)))
    positions = [step.position for step in steps]
    assert positions[0] == 0
    assert positions == sorted(positions)
    expected = made.plan(training, 1).expected_steps
    assert positions[-1] < expected
    if "packing" in mode:
        assert 0.8 < len(steps) / expected < 1.3
    else:
        assert positions == pytest.approx(range(len(steps)))
        assert len(steps) == math.ceil(expected)

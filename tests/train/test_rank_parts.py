"""Small parts of a rank: its output, its random numbers, its feed."""

import os
import subprocess
import sys
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from launcher.plan.batch import plan_batches
from launcher.recipe.training import Training
from launcher.storage.store import Store
from launcher.train.feed import Feed
from launcher.train.output import output_to
from launcher.train.seeds import seed_micro_batch
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
        seed_micro_batch(*key)
        return float(torch.rand(()))

    assert drawn(1, 2, 3) == drawn(1, 2, 3)
    assert len({drawn(*key) for key in [(1, 2, 3), (2, 2, 3), (1, 3, 3), (1, 2, 4), (12, 3, 0), (1, 23, 0)]}) == 6


@given(world=st.integers(1, 5), micro=st.integers(1, 4), batch=st.integers(1, 12), step=st.integers(0, 4))
def test_all_ranks_together_count_the_same_whatever_their_number(world: int, micro: int, batch: int, step: int):
    rows = examples(13)
    training = Training(global_batch_size=batch, per_device_train_batch_size=micro, max_steps=5)

    def counted(ranks: int) -> tuple[int, int]:
        plan = plan_batches(training, world=ranks, rows=len(rows))
        feeds = [Feed(rows, plan, seed=3, rank=rank, world=ranks, pad_id=0).step(step) for rank in range(ranks)]
        assert len({len(feed.batches) for feed in feeds}) == 1
        return sum(feed.label_tokens for feed in feeds), sum(feed.tokens for feed in feeds)

    assert counted(world) == counted(1)


def test_past_the_last_step_there_is_nothing():
    plan = plan_batches(Training(max_steps=2, global_batch_size=4), world=1, rows=13)
    feed = Feed(examples(13), plan, seed=3, rank=0, world=1, pad_id=0).step(2)
    assert (feed.batches, feed.label_tokens, feed.tokens) == ([], 0, 0)

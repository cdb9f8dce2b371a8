import subprocess
import sys
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from launcher.data.order import epoch_order, micro_batches, step_rows
from launcher.plan.batch import plan_batches
from launcher.recipe.training import Training

ROWS = st.integers(1, 60)
SEEDS = st.integers(-(2**63), 2**64 - 1)
COUNTS = st.integers(1, 9)


def run_rows(rows: int, global_batch: int, seed: int, total: int) -> list[list[int]]:
    return [step_rows(step, global_batch, rows, seed, total) for step in range(-(-total // global_batch))]


@given(ROWS, COUNTS, SEEDS, COUNTS)
def test_the_steps_of_an_epoch_take_every_row_once(rows: int, global_batch: int, seed: int, epochs: int) -> None:
    stream = list(chain.from_iterable(run_rows(rows, global_batch, seed, rows * epochs)))
    for epoch in range(epochs):
        assert sorted(stream[epoch * rows : (epoch + 1) * rows]) == list(range(rows))
    assert len(stream) == rows * epochs


@given(ROWS, COUNTS, SEEDS, st.integers(1, 200))
def test_every_step_is_full_but_the_last(rows: int, global_batch: int, seed: int, total: int) -> None:
    sizes = [len(step) for step in run_rows(rows, global_batch, seed, total)]
    assert sum(sizes) == total
    assert set(sizes[:-1]) <= {global_batch}
    assert 1 <= sizes[-1] <= global_batch
    assert step_rows(len(sizes), global_batch, rows, seed, total) == []


@given(ROWS, COUNTS, SEEDS, st.integers(0, 30))
def test_a_step_needs_nothing_but_its_number_and_the_seed(rows: int, batch: int, seed: int, step: int) -> None:
    total = rows * 50
    alone = step_rows(step, batch, rows, seed, total)
    run_rows(rows, batch, seed ^ 1, rows)
    epoch_order.cache_clear()
    assert step_rows(step, batch, rows, seed, total) == alone


def test_epochs_and_seeds_give_other_orders() -> None:
    orders = {tuple(epoch_order(100, seed, epoch)) for seed in (0, 1, -1, 2**64 - 2) for epoch in range(3)}
    assert len(orders) == 4 * 3


def test_the_order_is_the_same_in_another_process() -> None:
    code = "from launcher.data.order import step_rows; print(step_rows(3, 8, 100, 42, 100))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(step_rows(3, 8, 100, 42, 100)) == "[29, 69, 4, 27, 67, 41, 98, 63]"


@given(st.lists(st.integers(), unique=True, max_size=40), COUNTS, COUNTS)
def test_ranks_share_out_a_step_and_take_as_many_micro_batches(step: list[int], world: int, micro: int) -> None:
    ranks = [micro_batches(step, rank, world, micro) for rank in range(world)]
    taken = [row for batches in ranks for batch in batches for row in batch]
    assert sorted(taken) == sorted(step)
    assert len({len(batches) for batches in ranks}) == 1
    assert all(len(batch) <= micro for batches in ranks for batch in batches)
    shares = [sum(map(len, batches)) for batches in ranks]
    assert max(shares) - min(shares) <= 1


@given(st.lists(st.integers(), unique=True, min_size=1, max_size=40), COUNTS, COUNTS)
def test_the_first_rank_never_waits_idle_and_full_batches_come_first(step: list[int], world: int, micro: int) -> None:
    first = [len(batch) for batch in micro_batches(step, 0, world, micro)]
    assert set(first[:-1]) <= {micro}
    assert first[-1] >= 1


@given(ROWS, st.integers(1, 30), COUNTS, COUNTS, COUNTS, st.integers(0, 5))
def test_what_a_step_holds_does_not_hang_on_ranks_and_micro_batches(
    rows: int, global_batch: int, world: int, other: int, micro: int, step: int
) -> None:
    def content(ranks: int) -> list[int]:
        training = Training(global_batch_size=global_batch, per_device_train_batch_size=micro, num_train_epochs=3)
        plan = plan_batches(training, world=ranks, rows=rows)
        taken = step_rows(step, plan.global_batch, rows, training.seed, plan.rows_consumed)
        shares = [micro_batches(taken, rank, ranks, plan.micro_batch) for rank in range(ranks)]
        assert all(len(batches) <= plan.accumulation for batches in shares)
        return sorted(row for batches in shares for batch in batches for row in batch)

    assert content(world) == content(other)

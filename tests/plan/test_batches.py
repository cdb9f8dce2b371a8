from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.plan.batch import BatchPlan, plan_batches
from launcher.recipe.training import Training

COUNTS = st.integers(1, 40)


def planned(*, world: int = 2, rows: int = 100, **training: Any) -> BatchPlan:
    return plan_batches(Training(**training), world=world, documents=rows)


def test_without_a_global_batch_it_is_what_all_ranks_take_together() -> None:
    plan = planned(per_device_train_batch_size=4, gradient_accumulation_steps=3)
    assert plan == BatchPlan(
        world=2,
        micro_batch=4,
        accumulation=3,
        global_batch=24,
        documents=100,
        rows=100,
        max_steps=None,
        max_epochs=1,
    )
    assert plan.steps == 5


@pytest.mark.parametrize(
    ("world", "micro_batch", "accumulation"), [(1, 8, 4), (2, 8, 2), (3, 8, 2), (4, 8, 1), (16, 2, 1), (64, 1, 1)]
)
def test_a_global_batch_holds_at_any_world_size(world: int, micro_batch: int, accumulation: int) -> None:
    plan = planned(world=world, global_batch_size=32, per_device_train_batch_size=8)
    assert (plan.global_batch, plan.micro_batch, plan.accumulation) == (32, micro_batch, accumulation)
    assert (plan.steps, plan.documents_consumed) == (4, 100)


@pytest.mark.parametrize(
    ("epochs", "rows", "consumed"),
    [
        (None, 10, 10),
        (1.0, 10, 10),
        (2.5, 10, 25),
        (1.1, 10, 11),
        (0.1, 30, 3),
        (0.25, 10, 3),
        (1e-9, 10, 1),
        (3.3, 100, 330),
    ],
)
def test_epochs_are_counted_in_rows(epochs: float | None, rows: int, consumed: int) -> None:
    assert planned(rows=rows, num_train_epochs=epochs).documents_consumed == consumed


def test_steps_may_be_given_instead_of_epochs() -> None:
    plan = planned(max_steps=30, global_batch_size=10)
    assert (plan.steps, plan.documents_consumed, plan.epochs) == (30, 300, 3.0)


@given(COUNTS, COUNTS, COUNTS, st.integers(1, 500), st.integers(1, 5))
def test_a_step_always_fits_its_micro_batches(world: int, micro: int, batch: int, rows: int, epochs: int) -> None:
    plan = planned(
        world=world,
        rows=rows,
        num_train_epochs=epochs,
        per_device_train_batch_size=micro,
        global_batch_size=batch,
    )
    assert plan.micro_batch <= micro
    assert plan.world * plan.micro_batch * plan.accumulation >= plan.global_batch == batch
    assert plan.world * plan.micro_batch * (plan.accumulation - 1) < plan.global_batch
    assert (plan.steps - 1) * batch < plan.documents_consumed == rows * epochs <= plan.steps * batch
    assert plan.epochs == epochs


@given(st.lists(COUNTS, min_size=2, max_size=4), st.integers(1, 64), st.integers(1, 300))
def test_steps_do_not_hang_on_the_world_size(worlds: list[int], batch: int, rows: int) -> None:
    plans = [planned(world=world, rows=rows, global_batch_size=batch) for world in worlds]
    for one, other in combinations(plans, 2):
        assert (one.steps, one.documents_consumed, one.global_batch) == (
            other.steps,
            other.documents_consumed,
            other.global_batch,
        )


def test_packs_are_about_as_many_as_their_tokens_fill() -> None:
    training = Training(packing=True, max_length=100, global_batch_size=4, num_train_epochs=2)
    plan = plan_batches(training, world=2, documents=1000, tokens=40_050)
    assert (plan.rows, plan.documents_consumed, plan.steps) == (401, 2000, 201)


def test_steps_of_packs_are_unknown_before_their_tokens_are() -> None:
    plan = planned(packing=True)
    assert (plan.rows, plan.steps) == (None, None)
    counted = planned(packing=True, max_steps=9)
    assert (counted.steps, counted.epochs) == (9, None)

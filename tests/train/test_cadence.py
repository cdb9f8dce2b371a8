"""When something is written down, evaluated or saved, and when a run stops early."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.recipe.training import Strategy, Training
from launcher.train.cadence import EarlyStopping, Moment, due

COUNTS = st.integers(1, 40)


def moments(rows: int, batch: int, epochs: int) -> list[Moment]:
    """Of a run over some rows."""
    steps = math.ceil(rows * epochs / batch)
    ends = {math.ceil(epoch * rows / batch) for epoch in range(1, epochs + 1)}
    return [Moment(step, steps, last=step == steps, epoch_ended=step in ends) for step in range(1, steps + 1)]


@given(COUNTS, COUNTS, st.sampled_from(get_args(Strategy)), st.integers(0, 9))
def test_the_last_step_is_always_due_unless_nothing_is(rows: int, batch: int, strategy: Strategy, every: int) -> None:
    assert due(strategy, every, moments(rows, batch, 2)[-1]) == (strategy != "no")


@given(COUNTS, COUNTS, st.integers(1, 5))
def test_an_epoch_is_due_when_it_ends(rows: int, batch: int, epochs: int) -> None:
    run = moments(rows, batch, epochs)
    assert [now.step for now in run if due("epoch", 1, now)] == [now.step for now in run if now.epoch_ended]


def test_a_share_of_a_short_run_is_one_step_at_the_least():
    assert [due("steps", 0.01, now) for now in moments(3, 1, 1)] == [True, True, True]


def stopping(**said: object) -> EarlyStopping:
    return EarlyStopping.of(Training.model_validate({"eval_strategy": "epoch", **said}))


def test_without_patience_a_run_goes_on_and_knows_its_best():
    track = stopping()
    assert not any(track.update(step, loss) for step, loss in enumerate([3.0, 1.0, 2.0, 2.0, 2.0]))
    assert (track.best, track.best_step) == (1.0, 1)


def test_patience_counts_evaluations_in_a_row_without_an_improvement():
    track = stopping(early_stopping_patience=2)
    assert [track.update(step, loss) for step, loss in enumerate([3.0, 3.0, 2.0, 2.0, 2.0])] == [False] * 4 + [True]


def test_small_improvements_move_the_best_but_do_not_earn_patience():
    track = stopping(early_stopping_patience=2, early_stopping_threshold=0.5, metric_for_best_model="accuracy")
    assert [track.update(step, score) for step, score in enumerate([0.1, 0.5, 0.9])] == [False, False, True]
    assert (track.best, track.best_step) == (0.9, 2)


def test_what_is_not_a_number_is_no_improvement():
    track = stopping(early_stopping_patience=2)
    assert [track.update(step, loss) for step, loss in enumerate([math.nan, 1.0, math.nan, math.nan])] == [
        False, False, False, True,
    ]  # fmt: skip
    assert track.best_step == 1


@pytest.mark.parametrize(("metric", "greater", "best"), [
    ("loss", None, 1), ("accuracy", None, 0), ("macro_f1", None, 0), ("loss", True, 0), ("accuracy", False, 1),
])  # fmt: skip
def test_what_is_better_follows_from_the_metric_unless_it_is_said(metric, greater, best):
    track = stopping(metric_for_best_model=metric, greater_is_better=greater)
    track.update(0, 0.5)
    track.update(1, 0.4)
    assert track.best_step == best

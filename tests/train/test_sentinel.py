"""What the sentinel says of losses and gradient norms, and where a run goes back to."""

import math
import pickle
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.stream.cursor import Stretch
from launcher.recipe.sentinel import Sentinel as Settings
from launcher.recipe.training import Training
from launcher.train.rollback import RollBack
from launcher.train.sentinel import Guard, Seen, Sentinel, horizon, scatter
from launcher.train.step_record import StepRecord
from tests.memory_set import MemorySet
from tests.train.ranks import examples

NAN = math.nan
QUIET = [1.0 + 0.01 * (step % 5) for step in range(30)]


def looked(settings: Settings, losses: Iterable[float], *, scaled: bool = False, norm: float = 1.0) -> list[Seen]:
    """What each of some losses tells, from step 1 on; a loss that is not finite has such a gradient."""
    sentinel = Sentinel(settings, scaled=scaled)
    return [sentinel.look(step, loss, norm if math.isfinite(loss) else NAN) for step, loss in enumerate(losses, 1)]


def test_a_spike_is_told_by_its_robust_score_and_rolls_back_after_some_in_a_row() -> None:
    seen = looked(Settings(spike_steps=3), [*QUIET, 1.9, 1.9, 1.9])
    assert all(each == Seen(finite=True) for each in seen[:30])
    assert [each.score for each in seen[30:]] == [approx_score(1.9)] * 3
    assert [each.roll_back is None for each in seen[30:]] == [True, True, False]
    assert seen[-1].roll_back is not None
    assert seen[-1].roll_back.startswith("3 losses in a row far above the median of 1.02, the last 1.9 (score 17.")


def approx_score(loss: float) -> float:
    return (loss - 1.02) / 0.05  # the spread of QUIET, 1.4826 x 0.01, is below the floor


def test_a_good_step_ends_a_row() -> None:
    seen = looked(Settings(spike_steps=2, not_finite_steps=2), [*QUIET, 9.0, 1.0, 9.0, 1.0, NAN, 1.0, NAN, 1.0])
    assert [each.roll_back for each in seen] == [None] * len(seen)


def test_spikes_do_not_make_the_next_ones_look_smaller() -> None:
    settings = Settings(spike_steps=100, window_steps=20)
    seen = looked(settings, [*QUIET, *[9.0] * 50])
    assert {each.score for each in seen[30:]} == {seen[30].score}


def test_losses_that_fall_rise_slowly_or_scatter_are_no_spikes() -> None:
    falling = [8.0 / (1 + step) + 0.3 for step in range(200)]
    rising = [1.0 + step / 200 for step in range(200)]
    scattered = [1.0 + 0.8 * math.sin(step * 2.4) for step in range(200)]
    for losses in (falling, rising, scattered):
        assert all(each == Seen(finite=True) for each in looked(Settings(), losses))


def test_a_spike_is_seen_on_a_curve_that_falls_steeply() -> None:
    falling = [8.0 / (1 + step) + 0.3 for step in range(40)]
    assert all(each == Seen(finite=True) for each in looked(Settings(), falling))
    seen = looked(Settings(spike_steps=1), [*falling, 4.0])
    assert seen[-1].roll_back is not None


@given(st.lists(st.floats(0, 10), min_size=2), st.floats(-5, 5), st.floats(0.1, 10))
def test_scatter_goes_with_the_values_and_not_with_where_they_are(
    values: list[float], shift: float, scale: float
) -> None:
    moved = scatter([scale * each + shift for each in values])
    assert moved == pytest.approx(scale * scatter(values), rel=1e-6, abs=1e-9)


def test_scatter_is_the_standard_deviation_of_normal_values_on_a_slope() -> None:
    drawn = random.Random(0)
    values = [0.5 * drawn.gauss() + 0.01 * step for step in range(20_000)]
    assert scatter(values) == pytest.approx(0.5, rel=0.03)


def test_nothing_is_a_spike_before_there_are_enough_losses() -> None:
    seen = looked(Settings(warmup_steps=20, spike_steps=1), [*QUIET[:19], 50.0, 50.0])
    assert [each.score is None for each in seen[-2:]] == [True, False]


def test_steps_without_a_finite_gradient_roll_back_after_some_in_a_row() -> None:
    seen = looked(Settings(not_finite_steps=3), [NAN, NAN, NAN])
    assert [each.finite for each in seen] == [False] * 3
    assert [each.roll_back for each in seen[:2]] == [None, None]
    assert seen[2].roll_back == (
        "3 steps in a row without a finite loss and gradient (the last loss nan, gradient norm nan)"
    )


def test_a_finite_loss_with_a_gradient_that_is_not_counts_too() -> None:
    sentinel = Sentinel(Settings(not_finite_steps=1), scaled=False)
    assert sentinel.look(1, 2.0, math.inf).roll_back is not None
    assert sentinel.skipped == 1


def test_in_fp16_gradients_may_overflow_while_the_scale_falls() -> None:
    sentinel = Sentinel(Settings(not_finite_steps=3), scaled=True)
    assert [sentinel.look(step, 2.0, math.inf).roll_back for step in range(1, 30)] == [None] * 29
    assert sentinel.look(30, 2.0, math.inf).roll_back is not None


def test_switched_off_it_counts_and_tells_and_rolls_nothing_back() -> None:
    seen = looked(Settings(enabled=False, spike_steps=1), [*QUIET, 9.0, *[NAN] * 9])
    assert [each.roll_back for each in seen] == [None] * 40
    assert seen[30].score is not None
    looked_at = Sentinel(Settings(spike_score=None), scaled=False)
    assert all(looked_at.look(step, 10.0**step, 1.0).score is None for step in range(1, 60))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=60), st.integers(2, 10))
def test_it_never_fails_and_says_the_same_again(losses: list[float], window: int) -> None:
    settings = Settings(window_steps=window, warmup_steps=2, spike_steps=1, not_finite_steps=1)
    first, again = (looked(settings, losses) for _ in range(2))
    assert [each.roll_back is None for each in first] == [each.roll_back is None for each in again]
    for each, loss in zip(first, losses, strict=True):
        assert each.finite == math.isfinite(loss)
        assert (each.roll_back is not None) == (not each.finite or each.score is not None)


class Told:
    """Tracks that keep what is emitted."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, dict[str, Any]]] = []

    def emit(self, kind: str, /, step: int, **fields: Any) -> None:
        self.events.append((kind, step, fields))


def record(step: int, loss: float) -> StepRecord:
    return StepRecord(step, loss, 0.1, loss, 1, 1.0, None, 0.0, 0.0)


def test_a_rank_says_which_packs_go_and_to_which_step_the_run_goes_back() -> None:
    training = Training(max_steps=9, global_batch_size=4)
    feed = MemorySet(examples(50)).feed(training)
    assert all(feed.next() for _ in range(9))
    tracks = Told()
    guard = Guard(Settings(not_finite_steps=2), training, feed, tracks)  # type: ignore[arg-type]
    for step in range(1, 6):
        guard.look(record(step, 1.0))
    guard.look(record(6, NAN))
    with pytest.raises(RollBack, match="steps 6 to 7 went bad: 2 steps in a row without a finite loss") as caught:
        guard.look(record(7, NAN))
    error = caught.value
    assert (error.first, error.step, error.keep, error.stretch) == (6, 7, 4, Stretch(16, 28))
    kinds = [(kind, step) for kind, step, _ in tracks.events]
    assert kinds == [("step-skipped", 6), ("step-skipped", 7), ("roll-back", 7)]
    assert tracks.events[-1][2] == {"to_step": 4, "first": 16, "end": 28, "why": error.why}
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), twin.stretch, twin.keep) == (str(error), error.stretch, error.keep)


def test_bad_steps_right_after_a_resume_reach_back_before_it() -> None:
    training = Training(max_steps=30, global_batch_size=4)
    feed = MemorySet(examples(50)).feed(training)
    assert all(feed.next() for _ in range(10))
    again = MemorySet(examples(50)).feed(training)
    again.resume(feed.cursor, 10)
    assert again.next()
    guard = Guard(Settings(not_finite_steps=1, lead_steps=2), training, again, None)
    with pytest.raises(RollBack) as caught:
        guard.look(record(11, NAN))
    assert (caught.value.keep, caught.value.stretch) == (8, Stretch(32, 44))


def test_at_the_beginning_of_a_run_it_goes_back_to_the_beginning() -> None:
    training = Training(max_steps=3, global_batch_size=4)
    feed = MemorySet(examples(50)).feed(training)
    assert feed.next()
    with pytest.raises(RollBack) as caught:
        Guard(Settings(not_finite_steps=1), training, feed, None).look(record(1, NAN))
    assert (caught.value.keep, caught.value.stretch) == (0, Stretch(0, 4))


def test_a_commit_to_go_back_to_is_kept_as_long_as_steps_may_turn_out_bad() -> None:
    settings = Settings(not_finite_steps=7, spike_steps=2, lead_steps=3)
    # Steps 4 to 10 are bad, which is known while step 12 has run: back to step 0
    assert horizon(settings) >= 12 - 0

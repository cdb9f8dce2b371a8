import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.interval import Auto, BackPressure, EveryMinutes, EverySteps, daly_s, interval_s

seconds = st.floats(1e-3, 1e5)


def test_with_seldom_failures_daly_is_young() -> None:
    assert daly_s(0.3, 1e7) == pytest.approx(math.sqrt(2 * 0.3 * 1e7), rel=1e-3)


def test_it_is_the_published_interval() -> None:
    # 64 GPUs at 50,700 GPU-hours between failures and a stall of 0.3 s: 22 minutes and more
    assert daly_s(0.3, 50_700 / 64 * 3600) / 60 == pytest.approx(21.8, abs=0.2)
    # Daly 2006: cost 5 minutes, failures every 6 hours
    assert daly_s(300, 6 * 3600) / 60 == pytest.approx(56.8, abs=0.3)


@given(seconds, seconds)
def test_no_other_interval_wastes_much_less(cost: float, mtbf: float) -> None:
    def waste(interval: float) -> float:
        """Daly's expected wall time for a second of work, without restarts."""
        return mtbf * math.expm1((interval + cost) / mtbf) / interval

    if cost < mtbf / 4:
        best = daly_s(cost, mtbf)
        assert all(waste(best) <= waste(best * factor) * 1.001 for factor in (0.5, 0.8, 0.9, 1.1, 1.25, 2))


@given(seconds, seconds, seconds)
def test_saving_stays_in_its_budget_and_behind_the_upload(stall: float, upload: float, mtbf: float) -> None:
    interval = interval_s(stall, upload, mtbf, budget=0.01)
    assert interval >= upload
    assert stall / interval <= 0.01 * (1 + 1e-9)


def test_saves_are_due_as_the_recipe_says() -> None:
    assert [EverySteps(5).due(steps, 0, 0, 0) for steps in (4, 5, 6)] == [False, True, True]
    assert [EveryMinutes(2).due(1, seconds, 0, 0) for seconds in (119, 120)] == [False, True]
    auto = Auto(mtbf=3600 * 24)
    assert [auto.due(steps, 0, 0, 0) for steps in (0, 1)] == [False, True], "the first one is measured"
    due = interval_s(0.5, 20, 3600 * 24)
    assert [auto.due(9, seconds, 0.5, 20) for seconds in (due - 1, due + 1)] == [False, True]


def test_saves_that_find_the_last_one_on_its_way_are_skipped_and_then_waited_for() -> None:
    pressure = BackPressure(patience=2)
    assert [pressure.decide(busy=busy) for busy in (False, True, True, True, True, False)] == [
        "save", "skip", "skip", "wait", "skip", "save",
    ]  # fmt: skip
    assert pressure.skipped == 3

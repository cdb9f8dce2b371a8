"""What ranks do in the time that is left: the most that fits, and nothing that does not."""

from hypothesis import assume, given
from hypothesis import strategies as st

from launcher.interrupt.costs import SaveCosts
from launcher.interrupt.lead import MARGIN_S as LEAD_MARGIN_S
from launcher.interrupt.lead import lead_s
from launcher.interrupt.order import MARGIN_S, Costs, Order, decide

SECONDS = st.floats(0, 1000)
COSTS = st.builds(Costs, stall_s=SECONDS, upload_s=SECONDS, disk_s=SECONDS)
FLYING = st.none() | SECONDS
KEPT = {Order.LEAVE: 0, Order.RESCUE: 1, Order.FINISH: 2, Order.SAVE: 3}
"""The more the better."""


def needed(order: Order, costs: Costs, flying: float | None) -> float:
    """Seconds that an order takes."""
    landing = 0.0 if flying is None else max(costs.upload_s - flying, 0.0)
    rescue = costs.disk_s + (costs.stall_s if flying is None else 0.0)
    took = {Order.SAVE: landing + costs.stall_s + costs.upload_s, Order.FINISH: landing, Order.RESCUE: rescue}
    return took.get(order, 0.0)


@given(SECONDS, COSTS, FLYING)
def test_nothing_is_begun_that_does_not_fit(left, costs, flying):
    order = decide(left, costs, flying, fresh=True)
    assert order is Order.LEAVE or needed(order, costs, flying) + MARGIN_S <= left


@given(SECONDS, SECONDS, COSTS, FLYING)
def test_more_time_never_keeps_less(left, more, costs, flying):
    first, second = (decide(each, costs, flying, fresh=True) for each in (left, left + more))
    assert KEPT[first] <= KEPT[second]


@given(COSTS, FLYING)
def test_without_a_deadline_the_latest_step_is_committed(costs, flying):
    assert decide(None, costs, flying, fresh=True) is Order.SAVE


@given(st.none() | SECONDS, COSTS, FLYING)
def test_a_step_that_was_snapshot_is_not_snapshot_again(left, costs, flying):
    order = decide(left, costs, flying, fresh=False)
    assert order is not Order.SAVE
    if flying is None:
        assert order is Order.FINISH


@given(SECONDS, COSTS)
def test_a_save_in_flight_is_finished_where_a_new_one_does_not_fit(left, costs):
    assume(costs.stall_s > 0)
    left = costs.upload_s + MARGIN_S + 1e-6
    assert decide(left, costs, 0.0, fresh=True) in (Order.FINISH, Order.SAVE)
    assert decide(left, costs, None, fresh=True) is not Order.FINISH


@given(SECONDS, SECONDS, SECONDS)
def test_the_lead_that_is_asked_for_is_enough_for_a_save_two_steps_later(step, stall, upload):
    left = lead_s(step, stall, upload) - 2 * step
    assert LEAD_MARGIN_S >= MARGIN_S
    assert decide(left + 1e-6, Costs(stall, upload, 1e9), None, fresh=True) is Order.SAVE


def test_before_a_measurement_costs_are_those_of_slow_machines_and_then_the_worse_of_latest_and_average():
    costs = SaveCosts(rank_bytes=1e9, ranks=8)
    assert costs.now() == Costs(stall_s=1.0, upload_s=82.0, disk_s=40.5)
    for seconds in (4.0, 2.0):
        costs.upload.add(seconds)
    assert (costs.upload.seconds, costs.upload.latest) == (3.0, 2.0)
    costs.upload.add(10.0)
    assert costs.upload.seconds == 10.0

"""Notices from many sources come to one, in whatever order they come."""

import math
import threading

from hypothesis import given
from hypothesis import strategies as st

from launcher.interrupt.inbox import Inbox
from launcher.interrupt.notice import Notice, gathered

NOTICES = st.lists(
    st.builds(
        Notice,
        kind=st.sampled_from(["time-limit", "preemption", "drain", "stop"]),
        why=st.sampled_from(["SIGTERM", "SIGUSR2", "Ray drains n1", "Ctrl-C"]),
        deadline=st.none() | st.floats(0, 1000),
        nodes=st.sets(st.sampled_from(["n1", "n2", "n3"])).map(lambda names: tuple(sorted(names))),
    ),
    min_size=1,
    max_size=6,
)


@given(NOTICES, st.randoms())
def test_the_order_in_which_notices_come_changes_nothing(notices, random):
    shuffled = list(notices)
    random.shuffle(shuffled)
    assert gathered(notices) == gathered(shuffled)


@given(NOTICES, st.integers(0, 5))
def test_hearing_a_notice_twice_changes_nothing(notices, place):
    assert gathered([*notices, notices[place % len(notices)]]) == gathered(notices)


@given(NOTICES)
def test_a_stop_stays_a_stop_and_the_earliest_deadline_holds(notices):
    found = gathered(notices)
    assert (found.kind == "stop") == any(each.kind == "stop" for each in notices)
    told = [math.inf if each.deadline is None else each.deadline for each in notices]
    assert (math.inf if found.deadline is None else found.deadline) == min(told)


@given(NOTICES)
def test_all_that_goes_is_what_any_notice_says(notices):
    found = gathered(notices)
    if any(not each.nodes for each in notices):
        assert found.whole
    else:
        assert set(found.nodes) == {node for each in notices for node in each.nodes}


def test_no_notice_is_none():
    assert gathered([]) is None
    assert Inbox().current() is None


def test_where_a_run_goes_on_without_some_nodes_only_their_notices_are_forgotten():
    inbox = Inbox()
    inbox.put(Notice("drain", "Ray drains n1", 5.0, ("n1",)))
    inbox.settle()
    assert inbox.current() is None
    inbox.put(Notice("preemption", "SIGTERM", 9.0))
    inbox.settle()
    assert inbox.current() == Notice("preemption", "SIGTERM", 9.0)


def test_no_notice_is_lost_where_many_threads_give_some():
    inbox, barrier = Inbox(), threading.Barrier(8)

    def give(number: int) -> None:
        barrier.wait()
        for place in range(200):
            inbox.put(Notice("drain", "Ray", None, (f"{number}-{place}",)))

    threads = [threading.Thread(target=give, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inbox.current().nodes) == 8 * 200

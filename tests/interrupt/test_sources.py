"""Where notices come from: signals, a word in the run directory, and Ray's drain."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from launcher.checkpoint.journal import Journal
from launcher.errors import LauncherError
from launcher.interrupt.drain import Cluster, drain_notice
from launcher.interrupt.inbox import Inbox
from launcher.interrupt.notice import Notice
from launcher.interrupt.signals import Ended, Signals, unwrapped
from launcher.interrupt.stop import ask_to_stop, stop_name, stop_source
from launcher.interrupt.watch import watched
from launcher.storage.store import Store

OURS = {"id1": "n1", "id2": "n2"}


def send(signum: signal.Signals) -> None:
    os.kill(os.getpid(), signum)
    signal.sigtimedwait([], 0)  # the handler runs before the next instruction of Python


@pytest.mark.parametrize(
    ("signum", "kind"),
    [(signal.SIGINT, "stop"), (signal.SIGTERM, "preemption"), (signal.SIGUSR2, "time-limit")],
)
def test_a_signal_that_is_heard_becomes_a_notice_of_the_whole_allocation(signum, kind):
    inbox = Inbox()
    signals = Signals(inbox, grace_s=30.0)
    with signals.caught(), signals.heard():
        before = time.monotonic()
        send(signum)
        found = inbox.current()
    assert (found.kind, found.whole) == (kind, True)
    if signum is signal.SIGTERM:
        assert before + 30.0 <= found.deadline <= time.monotonic() + 30.0
    else:
        assert found.deadline is None


def test_where_nobody_hears_a_signal_ends_what_goes_on_and_is_kept():
    inbox = Inbox()
    with Signals(inbox, 30.0).caught():
        with pytest.raises(Ended):
            send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert inbox.current().kind == "stop"


@pytest.mark.parametrize("raised", [Ended, KeyboardInterrupt])
def test_what_c_code_makes_of_a_handlers_word_comes_out_as_that_word(raised):
    with pytest.raises(raised), Signals(Inbox(), 30.0).cutting():
        raise SystemError("<cyfunction CoreWorker.wait> returned a result with an exception set") from raised()
    with pytest.raises(SystemError, match="bad argument"), unwrapped():
        raise SystemError("bad argument to internal function")


def test_a_second_ctrl_c_ends_at_once_though_the_first_was_heard():
    signals = Signals(Inbox(), 30.0)
    with signals.caught(), signals.heard():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_handlers_are_put_back():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)]
    with Signals(Inbox(), 30.0).caught():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)] == before


def test_a_node_of_ours_that_is_drained_is_named_with_its_deadline():
    found = drain_notice({"id2": 61_000}, Cluster(OURS, "head"), now_ms=1_000, now=100.0)
    assert found == Notice("drain", "Ray drains n2", 160.0, ("n2",))


def test_nodes_without_workers_of_ours_may_go():
    assert drain_notice({"other": 0}, Cluster(OURS, "head"), 0, 0) is None
    assert drain_notice({}, Cluster(OURS, "head"), 0, 0) is None


@pytest.mark.parametrize("draining", [{"id1": 0, "id2": 0}, {"head": 0}, {"id1": 0, "head": 0}])
def test_with_all_nodes_or_the_drivers_own_the_whole_allocation_goes(draining):
    found = drain_notice(draining, Cluster(OURS, "head"), 0, 0)
    assert (found.whole, found.deadline) == (True, None)


def test_a_word_to_one_of_the_drivers_attempts_is_a_stop_and_one_to_an_earlier_attempt_is_none(tmp_path):
    store = Store.open(str(tmp_path))
    store.create(stop_name(1), json.dumps({"by": "me"}).encode())
    assert stop_source(store, [2, 3])() is None
    store.create(stop_name(2), json.dumps({"by": "me"}).encode())
    assert stop_source(store, [2, 3])() == Notice("stop", "launcher stop, by me")


def test_stop_waits_for_the_close_and_tells_its_cause(tmp_path):
    store, told = Store.open(str(tmp_path)), []
    attempt = Journal(store).open_attempt("local", "7", ["here"])

    def sleep(_: float) -> None:
        assert store.exists(stop_name(1))
        attempt.close("stop: committed step 12", 0, "stop")

    assert ask_to_stop(store, told.append, 60, sleep=sleep) == "attempt 1 has closed: stop: committed step 12"
    assert told == ["asked attempt 1 (local job 7 on here) to commit and to end"]
    assert ask_to_stop(store, told.append, 60) == f"no attempt has {tmp_path}: nothing to stop"


def test_stop_follows_the_run_into_an_attempt_that_came_between(tmp_path):
    store = Store.open(str(tmp_path))
    first = Journal(store).open_attempt("local", "7", ["here"])
    attempts = [first]

    def sleep(_: float) -> None:
        if len(attempts) == 1:
            first.close("it failed", 1, "lost", then="again")
            attempts.append(Journal(store).open_attempt("local", "7", ["here"]))
        else:
            attempts[1].close("stop: committed step 12", 0, "stop")

    assert ask_to_stop(store, lambda line: None, 60, sleep=sleep).startswith("attempt 2 has closed")


def test_stop_has_a_bound_and_says_what_may_be_the_matter(tmp_path):
    store, now = Store.open(str(tmp_path)), [0.0]
    Journal(store).open_attempt("local", "7", ["here"])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(LauncherError, match=r"attempt 1 \(local job 7 on here\) did not close within 5 s"):
        ask_to_stop(store, lambda line: None, 5, clock=lambda: now[0], sleep=sleep)


def test_a_source_that_fails_is_told_of_once_and_asked_again(tmp_path: Path):
    inbox, told, asked = Inbox(), [], []
    enough = threading.Event()

    def source() -> Notice | None:
        asked.append(len(asked))
        if len(asked) <= 3:
            raise OSError("no route to host")
        enough.set()
        return Notice("drain", "Ray drains n1")

    with watched(inbox, {"Ray's drain": source}, told.append, period_s=0.01):
        assert enough.wait(10)
    assert told == ["Ray's drain: no answer: no route to host; it is asked again every 0.01 s"]
    assert inbox.current() == Notice("drain", "Ray drains n1")

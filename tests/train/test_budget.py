"""Whether a run goes on after an attempt: counted from the journal, whichever driver wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.entries import Close, Commit, Entry, Open, entry_from_json
from launcher.cluster.retries import Retries
from launcher.errors import InvalidInput, LauncherError
from launcher.interrupt.notice import Notice
from launcher.train.budget import Again, End, after_failure, after_notice, past
from launcher.train.outcome import Cause

LOST = Cause(LauncherError("rank 1 died"), "lost", 1, "n1")
BUDGET = Retries()


class Log:
    """A journal in the making."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.attempt = 0

    def opened(self, commits: int = 0) -> "Log":
        self.attempt += 1
        self.entries.append(Open(attempt=self.attempt, backend="local", job_id="1", hosts=("n1",)))
        for step in range(commits):
            self.entries.append(Commit(attempt=self.attempt, step=step, checkpoint="c", manifest_digest="d"))
        return self

    def closed(self, ended: str, then: str = "again", **more: object) -> "Log":
        self.entries.append(
            Close(attempt=self.attempt, cause="", exit_code=1, ended=ended, then=then, **more)  # type: ignore[arg-type]
        )
        return self

    def after(self, cause: Cause = LOST, retries: Retries = BUDGET, hosts: tuple[str, ...] = ()) -> Again | End:
        return after_failure(cause, past(self.entries, self.attempt), retries, hosts)


def test_after_a_crash_the_run_goes_on_at_once_where_the_attempt_committed():
    assert Log().opened(commits=1).after() == Again()


def test_two_crashes_in_a_row_without_a_commit_end_the_run_and_a_commit_between_does_not():
    log = Log().opened()
    first = log.after()
    assert isinstance(first, Again)
    assert first.wait_s > 0
    second = log.closed("lost").opened().after()
    assert second == End(1, "2 attempts in a row failed without a new commit")
    calm = Log().opened(commits=1).closed("lost").opened().closed("lost").opened(commits=1)
    assert isinstance(calm.after(), Again)


def test_crashes_are_counted_over_drivers_and_an_end_begins_anew():
    log = Log()
    for _ in range(3):
        log.opened(commits=1).closed("lost")
    assert log.opened(commits=1).after(retries=Retries(crashes=3)) == End(
        1, "4 attempts failed, and cluster.retries.crashes is 3"
    )
    log.closed("lost", then="end")
    assert isinstance(log.opened(commits=1).after(retries=Retries(crashes=3)), Again)


@given(st.lists(st.sampled_from(["time-limit", "preemption", "drain"]), max_size=30))
def test_interruptions_are_no_crashes_and_have_no_bound_by_default(kinds):
    log = Log()
    for each in kinds:
        log.opened().closed(each)
    log.opened()
    assert isinstance(log.after(retries=Retries(crashes=1)), Again)
    notice = Notice("preemption", "SIGTERM")
    assert after_notice(notice, past(log.entries, log.attempt), BUDGET) == End(75)


def test_interruptions_may_have_a_bound():
    log = Log().opened().closed("preemption").opened()
    verdict = after_notice(Notice("preemption", "SIGTERM"), past(log.entries, log.attempt), Retries(interruptions=1))
    assert verdict == End(1, "it was interrupted 2 times, and cluster.retries.interruptions is 1")


def test_a_failure_of_one_kind_at_one_step_twice_ends_the_run_whatever_was_committed():
    bad = Cause(LauncherError("block 3 is corrupt"), "bad-data", 0, "n1", step=41)
    log = Log().opened(commits=3)
    assert isinstance(log.after(bad), Again)
    log.closed("bad-data", step=41).opened(commits=1)
    assert log.after(bad) == End(1, "two attempts in a row failed alike at step 41")
    other = Cause(bad.error, "bad-data", 0, "n1", step=42)
    assert isinstance(log.after(other), Again)


@pytest.mark.parametrize("kind", ["user-error", "import", "storage-refused", "diverged"])
def test_what_another_attempt_cannot_mend_ends_the_run_in_its_own_words(kind):
    assert Log().opened(commits=1).after(Cause(InvalidInput("no"), kind)) == End(2)


def test_an_attempt_that_never_closed_is_no_failure():
    log = Log().opened().opened()
    assert past(log.entries, 2).idle == 0
    assert isinstance(log.after(), Again)


def test_a_host_that_fails_more_often_than_its_budget_is_left_out_where_there_are_others():
    log = Log()
    for _ in range(2):
        log.opened(commits=1).closed("lost", host="n1")
    log.opened(commits=1)
    assert log.after(hosts=("n1", "n2")) == Again(("n1",))
    assert log.after(hosts=("n1",)) == Again()
    assert log.after(Cause(LOST.error, "lost", 1, "n2"), hosts=("n1", "n2")) == Again()


def test_a_roll_back_has_a_budget_of_its_own():
    log = Log().opened().closed("lost").opened()
    assert log.after(Cause(LauncherError("steps went bad"), "roll-back"), Retries(crashes=0)) == Again()


def test_a_stop_ends_with_0_and_is_never_gone_on_from_by_itself():
    assert after_notice(Notice("stop", "Ctrl-C"), past(Log().opened().entries, 1), Retries(interruptions=0)) == End(0)


def test_where_some_nodes_go_the_run_goes_on_without_them():
    notice = Notice("drain", "Ray drains n1", None, ("n1",))
    assert after_notice(notice, past(Log().opened().entries, 1), BUDGET) == Again(("n1",))


def test_a_close_of_an_older_launcher_is_read_and_ends_what_is_counted():
    old = b'{"attempt": 1, "nonce": "n", "time": "t", "kind": "close", "cause": "x", "exit_code": 1}'
    entry = entry_from_json(old, "journal/2")
    assert isinstance(entry, Close)
    assert (entry.ended, entry.step, entry.host, entry.then) == (None, None, None, None)
    log = Log().opened()
    log.entries.append(entry)
    assert past(log.opened().entries, 2).failed == ()

"""The driver's attempts, one after the other: open, run, judge, close, and again where the budgets allow it."""

import time
from collections.abc import Callable

from launcher.checkpoint.entries import Commit
from launcher.checkpoint.heartbeat import Heartbeat
from launcher.checkpoint.journal import Attempt
from launcher.errors import EXIT_AGAIN, LauncherError
from launcher.interrupt.signals import Ended
from launcher.interrupt.stop import stop_source
from launcher.interrupt.watch import watched
from launcher.storage.layout import MODEL
from launcher.train.budget import Again, End
from launcher.train.closing import close, tell_how_to_go_on
from launcher.train.failure import cause_of
from launcher.train.making_job import Party, make_job
from launcher.train.outcome import Done, Failed, Interrupted, Outcome
from launcher.train.ready_run import Run
from launcher.train.regroup import growing, regroup
from launcher.train.run_directory import open_run
from launcher.train.showing import show_results

CANCELLED = 130
"""Exit code of a run that Ctrl-C ended at once, as shells count it."""
STOP_POLL_S = 2.0
LOOK_S = 0.2


def run_attempts(run: Run, party: Party, free: Callable[[], None]) -> int:
    """Train to the end, or as far as notices and budgets allow; returns the exit code.

    Args:
        free: Gives the cluster back; called when all is trained.

    Raises:
        LauncherError: the last attempt's first cause, or that the budget is spent.
    """
    mine: list[int] = []
    follows: Again | None = None
    with run.signals.heard():
        while True:
            try:
                party = party if follows is None else _regrouped(run, party, follows)
                attempt = _open(run, party, first=follows is None)
            except Ended:
                if follows is None:
                    raise
                tell_how_to_go_on(run)
                return EXIT_AGAIN
            mine.append(attempt.number)
            stopped = stop_source(run.store, mine[-2:])  # a word may have come to the one before, as it was closing
            with (
                Heartbeat(run.store, attempt.number, run.screen.line),
                watched(run.inbox, {"launcher stop": stopped}, run.screen.line, STOP_POLL_S),
            ):
                try:
                    outcome = _attempt(run, attempt, party, free)
                except KeyboardInterrupt:
                    attempt.close("cancelled", CANCELLED, "cancelled")
                    run.screen.line(f"cancelled; what was written is in {run.store.location}")
                    return CANCELLED
                except Exception as error:  # a fault of the launcher itself
                    attempt.close(f"{type(error).__name__}: {error}", LauncherError.exit_code, "fault")
                    raise
                verdict = close(run, attempt, outcome, party)
            if isinstance(verdict, End):
                return verdict.exit_code
            follows = verdict
            run.inbox.settle()
            _wait(run, follows.wait_s)


def _regrouped(run: Run, party: Party, follows: Again) -> Party:
    """The next attempt's machines; as they were where a notice came between two attempts, which ends the next one."""
    if run.inbox.current() is not None:
        return party
    with run.signals.cutting():
        return regroup(run, party, follows.without)


def _open(run: Run, party: Party, *, first: bool) -> Attempt:
    options = run.options
    with run.signals.cutting():
        return open_run(
            run.store,
            run.recipe,
            options.may_change,
            takeover=options.takeover and first,
            hosts=list(party.hosts),
            backend=run.profile.backend,
        )


def _attempt(run: Run, attempt: Attempt, party: Party, free: Callable[[], None]) -> Outcome:
    """One attempt, and the results where it was the last. Before workers are started, a notice cuts what goes on."""
    from launcher.train.attempt import run_attempt

    try:
        if (notice := run.inbox.current()) is not None:  # it came between two attempts
            return Interrupted(notice)
        with run.signals.cutting():
            job = make_job(run, attempt, party)
        with growing(run, party):
            outcome = run_attempt(job, run.ready.judged, party.cluster, run.screen, run.inbox)
        if isinstance(outcome, Interrupted) and _has_model(attempt):
            outcome = Done()  # the notice came as the last entry was written
        if isinstance(outcome, Done):
            free()
            show_results(run, attempt.number)
        return outcome
    except Ended:
        notice = run.inbox.current()
        assert notice is not None
        return Interrupted(notice)
    except LauncherError as error:
        return Failed(cause_of(error))


def _has_model(attempt: Attempt) -> bool:
    return any(isinstance(each, Commit) and each.checkpoint == MODEL for each in attempt.journal.entries())


def _wait(run: Run, seconds: float) -> None:
    """Before the next attempt; a notice ends it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and run.inbox.current() is None:
        time.sleep(LOOK_S)

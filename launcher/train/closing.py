"""After an attempt: decide what comes next, close it in the journal, and tell the user."""

from pathlib import Path

from launcher.checkpoint.entries import live_commits
from launcher.checkpoint.journal import Attempt
from launcher.cluster.slurm import Slurm
from launcher.errors import EXIT_AGAIN, LauncherError, RunOwned
from launcher.ledger.hosts import bad_hosts, ban
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.retry import one_line
from launcher.train.budget import Again, End, after_failure, after_notice, past
from launcher.train.bundle import bundle_name, keep_bundle
from launcher.train.choose_nodes import culprit
from launcher.train.failure import cause_of
from launcher.train.making_job import Party
from launcher.train.outcome import Cause, Done, Failed, Interrupted, Outcome
from launcher.train.ready_run import Run
from launcher.train.rollback import RollBack, roll_back


class GaveUp(LauncherError):
    """The budget of a run's attempts is spent."""


def close(run: Run, attempt: Attempt, outcome: Outcome, party: Party) -> End | Again:
    """What comes next; by then the attempt is closed.

    Raises:
        LauncherError: nothing comes next, as the attempt failed or the budget is spent.
    """
    if isinstance(outcome, Done):
        attempt.close("done", 0, "done")
        return End(0)
    if isinstance(outcome, Interrupted):
        return _close_interrupted(run, attempt, outcome)
    return _close_failed(run, attempt, outcome, party)


def _close_interrupted(run: Run, attempt: Attempt, outcome: Interrupted) -> End | Again:
    notice = outcome.notice
    verdict = after_notice(notice, past(attempt.journal.entries(), attempt.number), run.profile.retries)
    kept = _kept(attempt, outcome)
    again = isinstance(verdict, Again) or verdict.exit_code == EXIT_AGAIN
    code = verdict.exit_code if isinstance(verdict, End) else EXIT_AGAIN
    cause = f"{notice.kind}: {kept} ({notice.why})"
    attempt.close(cause, code, notice.kind, step=outcome.step, then="again" if again else "end")
    run.screen.line(f"{'stopped' if notice.kind == 'stop' else 'interrupted'}: {kept}")
    if isinstance(verdict, Again):
        return verdict
    if verdict.why:
        raise GaveUp(verdict.why)
    tell_how_to_go_on(run)
    return verdict


def _close_failed(run: Run, attempt: Attempt, outcome: Failed, party: Party) -> Again:
    cause = _rolled_back(run, attempt, outcome.cause)
    keep_bundle(run.store, attempt.number, Failed(cause, outcome.told, outcome.notes), _logs(party), run.screen.line)
    verdict = after_failure(cause, past(attempt.journal.entries(), attempt.number), run.profile.retries, party.hosts)
    error = cause.error
    try:
        attempt.close(
            f"{type(error).__name__}: {error}",
            error.exit_code,
            cause.kind,
            step=cause.step,
            host=cause.host,
            then="again" if isinstance(verdict, Again) else "end",
        )
    except RunOwned:
        if not isinstance(error, RunOwned):
            raise
    _blame(run, attempt, error)
    if isinstance(verdict, End):
        if verdict.why:
            raise GaveUp(f"{verdict.why}; the last: {error}") from error
        raise error
    run.screen.line(f"failed    {error}")
    run.screen.line(f"again     from the newest commit; what is known of the failure: {bundle_name(attempt.number)}/")
    return verdict


def _blame(run: Run, attempt: Attempt, error: LauncherError) -> None:
    """Put a host that makes the run fail again and again onto the storage root's ledger of bad hosts.

    Only where its name is a machine's, and a scheduler gives others: a pod's name is gone with the pod.
    """
    if not isinstance(run.profile, Slurm):
        return
    entries, storage = attempt.journal.entries(), run.profile.storage
    host = culprit(entries, run.profile.retries.same_host)
    try:
        if host is None or host in bad_hosts(storage):
            return
        ban(storage, host, f"run {run.id} failed there again and again; in attempt {attempt.number}: {error}")
    except Exception as failure:  # every store's client has errors of its own, and the run does not depend on this
        run.screen.line(f"bad host  {host}: the ledger takes no word of it: {one_line(failure)}")
        return
    run.screen.line(f"bad host  {host} is left out of later jobs; to take that back: launcher doctor --unban {host}")


def tell_how_to_go_on(run: Run) -> None:
    run.screen.line(f"to go on, give the same command again with --run-id {run.id}")


def _rolled_back(run: Run, attempt: Attempt, cause: Cause) -> Cause:
    """The cause, once what it makes void is void; another one where the run may not go back any more."""
    if not isinstance(cause.error, RollBack):
        return cause
    try:
        run.screen.line(roll_back(attempt, cause.error, run.recipe.sentinel.max_rollbacks))
    except LauncherError as error:
        return cause_of(error)
    return cause


def _kept(attempt: Attempt, outcome: Interrupted) -> str:
    """What an interruption leaves to go on from, as the journal has it."""
    commits = [each for each in live_commits(attempt.journal.entries()) if each.checkpoint.startswith(CHECKPOINTS)]
    if outcome.rescued is not None:
        return f"rescued step {outcome.step} to {outcome.rescued}, from where the next attempt on this host commits it"
    if not commits:
        return "no step was committed"
    if commits[-1].attempt == attempt.number:
        return f"committed step {commits[-1].step}"
    return f"nothing new was committed; step {commits[-1].step} stands"


def _logs(party: Party) -> Path | None:
    """Ray's, where the cluster is this driver's own."""
    logs = party.cluster.scratch / "session_latest" / "logs"
    return logs if logs.is_dir() else None

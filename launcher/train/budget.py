"""Whether a run goes on after an attempt: a pure decision, from its journal and its profile."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from launcher.checkpoint.entries import Close, Commit, Entry, Open
from launcher.cluster.retries import Retries
from launcher.errors import EXIT_AGAIN, EXIT_STOPPED
from launcher.interrupt.notice import Notice
from launcher.train.outcome import Cause
from launcher.train.verdicts import NAMED

IDLE = 2
"""Attempts in a row that fail without a new commit: with them the run gives up."""
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0
INTERRUPTIONS = ("time-limit", "preemption", "drain")


@dataclass(frozen=True, slots=True)
class Past:
    """A run's attempts since it last gave up, or was ended; the newest has ended, and is not closed yet."""

    failed: tuple[Close, ...]
    """Closes of those that failed, in their order."""
    interruptions: int
    idle: int
    """Attempts in a row that failed without a new commit, the newest not counted."""
    committed: bool
    """Whether the newest has committed."""


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt, by this driver."""

    without: tuple[str, ...] = ()
    """Hosts to leave out, where enough others are there."""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class End:
    """No other attempt, by this driver."""

    exit_code: int
    why: str = ""
    """What the user is told of the budget; empty where the outcome speaks for itself."""


def past(entries: Sequence[Entry], attempt: int) -> Past:
    """What came before an attempt that has just ended.

    An attempt that never closed is no failure: nobody knows whether it was.
    """
    closes = [each for each in entries if isinstance(each, Close) and each.attempt < attempt]
    ends = [place for place, each in enumerate(closes) if each.then != "again"]
    # Roll-backs have a budget of their own, and growth harms nothing
    since = [each for each in (closes[ends[-1] + 1 :] if ends else closes) if each.ended not in ("roll-back", "grow")]
    failed = [each for each in since if each.ended not in INTERRUPTIONS]
    commits = {each.attempt for each in entries if isinstance(each, Commit)}
    opened = [each.attempt for each in entries if isinstance(each, Open)]
    idle = 0
    failures = {each.attempt for each in failed}
    for number in sorted(opened, reverse=True):
        if number >= attempt:
            continue
        if number not in failures or number in commits:
            break
        idle += 1
    return Past(tuple(failed), len(since) - len(failed), idle, attempt in commits)


def after_failure(cause: Cause, before: Past, retries: Retries, hosts: Collection[str]) -> Again | End:
    """What follows an attempt that failed.

    Args:
        hosts: Machines that it ran on.
    """
    kind, code = NAMED[cause.kind], cause.error.exit_code
    if kind.verdict == "stop":
        return End(code)
    if kind.name == "roll-back":  # has a budget of its own
        return Again()
    if (spent := _spent(cause, before, retries)) is not None:
        return End(code, spent)
    wait_s = 0.0 if before.committed else min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**before.idle)
    same_host = 1 + sum(each.host == cause.host for each in before.failed)
    others = set(hosts) - {cause.host}
    if kind.verdict == "elsewhere" and cause.host is not None and others and same_host > retries.same_host:
        return Again((cause.host,), wait_s)
    return Again(wait_s=wait_s)


def _spent(cause: Cause, before: Past, retries: Retries) -> str | None:
    """Why no other attempt follows; None where one may."""
    last = before.failed[-1] if before.failed else None
    if cause.step is not None and last is not None and (last.ended, last.step) == (cause.kind, cause.step):
        return f"two attempts in a row failed alike at step {cause.step:,}"
    if not before.committed and before.idle + 1 >= IDLE:
        return f"{IDLE} attempts in a row failed without a new commit"
    crashes = len(before.failed) + 1
    if crashes > retries.crashes:
        return f"{crashes} attempt{'s' if crashes > 1 else ''} failed, and cluster.retries.crashes is {retries.crashes}"
    return None


def after_notice(notice: Notice, before: Past, retries: Retries) -> Again | End:
    """What follows an attempt that was interrupted."""
    if notice.kind == "stop":
        return End(EXIT_STOPPED)
    if notice.kind == "grow":
        return Again()
    times = before.interruptions + 1
    if retries.interruptions is not None and times > retries.interruptions:
        told = f"it was interrupted {times} times, and cluster.retries.interruptions is {retries.interruptions}"
        return End(1, told)
    return End(EXIT_AGAIN) if notice.whole else Again(notice.nodes)

"""Who had a run, when, and how it ended: the journal's opens and closes side by side."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from launcher.checkpoint.entries import Close, Commit, Entry, Open


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """An attempt; the last three say nothing where it never closed."""

    attempt: int
    opened: str
    """By the clock of its own machine, like every time in a journal."""
    backend: str
    job_id: str
    hosts: tuple[str, ...]
    took_over: str | None
    """How it was known that the attempt before, which never closed, has ended."""
    commits: int
    closed: str | None = None
    cause: str | None = None
    exit_code: int | None = None


def attempts(entries: Iterable[Entry]) -> list[AttemptLine]:
    """Every attempt, in the order of their numbers."""
    kept = list(entries)
    commits = Counter(entry.attempt for entry in kept if isinstance(entry, Commit))
    closes = {entry.attempt: entry for entry in kept if isinstance(entry, Close)}
    return [
        _line(entry, commits[entry.attempt], closes.get(entry.attempt)) for entry in kept if isinstance(entry, Open)
    ]


def _line(opened: Open, commits: int, closed: Close | None) -> AttemptLine:
    ending = () if closed is None else (closed.time, closed.cause, closed.exit_code)
    return AttemptLine(
        opened.attempt, opened.time, opened.backend, opened.job_id, opened.hosts, opened.took_over, commits, *ending
    )

"""The run's numbered, create-only log: the ledger of attempts, the list of commits and the fence in one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from launcher.checkpoint.entries import (
    Close,
    Commit,
    DamagedEntry,
    Entry,
    Lost,
    Open,
    Retire,
    Written,
    entry_from_json,
    entry_to_json,
)
from launcher.errors import LauncherError, RunOwned
from launcher.storage.retry import Retry
from launcher.storage.store import AlreadyExists, Store

Result = TypeVar("Result")
Gone = Callable[[Open], str | None]
"""Tells how it is known that an attempt which never closed has ended; None where it may be alive."""

ENTRY_NAME = re.compile(r"journal/(\d{8})\.json")
TRIES = 1000
READS = 10


class Journal:
    """One writer's view of the log. Entries never change, so each is read once."""

    def __init__(self, store: Store, retry: Retry | None = None) -> None:
        """Nothing is read yet.

        Args:
            retry: Asks the store again; without, its first failure is raised, and `append` may be called again.
        """
        self._store = store
        self._retry = retry
        self._seen: list[Entry] = []

    def entries(self) -> list[Entry]:
        """All entries by now, in order; `Lost` stands for one that is missing or damaged.

        Raises:
            LauncherError: an entry is of an unknown kind.
        """
        listed = self._ask("journal", lambda: self._store.list("journal"))
        matches = [ENTRY_NAME.fullmatch(name) for name in listed]
        highest = max((int(match[1]) for match in matches if match), default=0)
        # By number, not by name listed: a folder that is read while it grows may show a later file and not an earlier
        for number in range(len(self._seen) + 1, highest + 1):
            self._seen.append(self._read(number))
        return list(self._seen)

    def append(self, entry: Written) -> int:
        """Put an entry at the end, once: the same entry may be given again when it is unknown whether it arrived.

        Returns:
            The entry's number, from 1.

        Raises:
            RunOwned: another attempt has opened the run since the entry's own attempt did.
            LauncherError: other writers were faster a thousand times.
        """
        for number, seen in enumerate(self.entries(), start=1):
            if seen.nonce == entry.nonce:
                return number
        for _ in range(TRIES):
            self._refuse_if_fenced(entry)
            landed = self._create_next(entry)
            self._seen.append(landed)
            if landed.nonce == entry.nonce:
                return len(self._seen)
        raise LauncherError(
            f"journal of {self._store.location}: {TRIES} entries of other writers came first; try again"
        )

    def open_attempt(
        self,
        backend: str,
        job_id: str,
        hosts: Sequence[str],
        gone: Gone = lambda owner: None,
        *,
        over_lost: bool = False,
    ) -> "Attempt":
        """Take the run with a new attempt, numbered from 1.

        Args:
            gone: Is asked about the last attempt where that never closed.
            over_lost: Go on although an entry is lost that may have been another attempt's.

        Raises:
            RunOwned: the last attempt never closed and may be alive, or another one opens at the same time.
            LauncherError: an entry after the last attempt's beginning is lost.
        """
        owner = self.owner()
        took_over = gone(owner) if owner else None
        found = self.owner()  # it may have closed, or another opened, while `gone` looked
        if found is not None and (took_over is None or found != owner):
            raise self._owned_by(found)
        opens = [entry for entry in self._seen if isinstance(entry, Open)]
        lost = self._lost_since(opens[-1] if opens else None)
        if lost and not over_lost:
            raise LauncherError(
                f"{lost[0].place} {lost[0].why}: restore it; or, where no attempt has this run, go on without it: "
                "--takeover"
            )
        number = (opens[-1].attempt if opens else 0) + len(lost) + 1  # each may have opened an attempt
        entry = Open(attempt=number, backend=backend, job_id=job_id, hosts=tuple(hosts), took_over=took_over)
        self.append(entry)
        return Attempt(self, number, entry.nonce)

    def owner(self) -> Open | None:
        """The last attempt where that never closed; None where the run is free."""
        entries = self.entries()
        opens = [entry for entry in entries if isinstance(entry, Open)]
        closed = {entry.attempt for entry in entries if isinstance(entry, Close)}
        return opens[-1] if opens and opens[-1].attempt not in closed else None

    def _lost_since(self, last: Open | None) -> list[Lost]:
        after = self._seen if last is None else self._seen[self._seen.index(last) :]
        return [entry for entry in after if isinstance(entry, Lost)]

    def _create_next(self, entry: Written) -> Entry:
        """Try to create the entry at the next number; what is there afterwards."""
        number = len(self._seen) + 1
        try:
            self._ask(_name(number), lambda: self._store.create(_name(number), entry_to_json(entry)))
        except AlreadyExists:
            return self._read(number)
        return entry

    def _refuse_if_fenced(self, entry: Written) -> None:
        # Two processes may open the same attempt at once: to an open, its own number is taken too
        first_foreign = entry.attempt if isinstance(entry, Open) else entry.attempt + 1
        for seen in self._seen:
            if isinstance(seen, Open) and seen.attempt >= first_foreign:
                raise self._owned_by(seen)
            if isinstance(seen, Close) and seen.attempt == entry.attempt:
                raise RunOwned(f"attempt {seen.attempt} of {self._store.location} has closed: {seen.cause}")
            if seen.attempt > entry.attempt:  # its beginning is lost, and what it wrote since is not
                raise RunOwned(f"attempt {seen.attempt} of {self._store.location} has written since; it has the run")

    def _owned_by(self, owner: Open) -> RunOwned:
        return RunOwned(
            f"run {self._store.location} is owned by attempt {owner.attempt} ({owner.backend} job {owner.job_id} on "
            f"{', '.join(owner.hosts)}): wait until that closes it, or start under another --run-id"
        )

    def _read(self, number: int) -> Entry:
        """An entry, or `Lost` where two answers agree that it is none: one alone may be damaged on its way, and a
        takeover that is overread is a fence that does not hold.
        """
        place, before = f"{self._store.location}/{_name(number)}", None
        for _ in range(READS):
            try:
                data = self._ask(_name(number), lambda: self._store.read(_name(number)))
                return entry_from_json(data, place)
            except FileNotFoundError:
                return Lost(place=place, why="is missing")
            except DamagedEntry as damaged:
                if data == before:
                    return Lost(place=place, why=str(damaged))
                before = data
        raise LauncherError(f"{place}: {READS} answers differ, and none is an entry; see to the store")

    def _ask(self, name: str, ask: Callable[[], Result]) -> Result:
        if self._retry is None:
            return ask()
        return self._retry.call(f"{self._store.location}/{name}", lambda _: ask())


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to write a run, until another attempt opens it: then every method raises RunOwned."""

    journal: Journal
    number: int
    nonce: str

    def commit(self, step: int, checkpoint: str, manifest_digest: str, metric: float | None = None) -> Commit:
        entry = Commit(
            attempt=self.number, step=step, checkpoint=checkpoint, manifest_digest=manifest_digest, metric=metric
        )
        self.journal.append(entry)
        return entry

    def retire(self, checkpoint: str) -> Retire:
        entry = Retire(attempt=self.number, checkpoint=checkpoint)
        self.journal.append(entry)
        return entry

    def close(
        self,
        cause: str,
        exit_code: int,
        ended: str | None = None,
        *,
        step: int | None = None,
        host: str | None = None,
        then: Literal["again", "end"] = "end",
    ) -> Close:
        """Give the run back; what the arguments mean stands at `Close`."""
        entry = Close(
            attempt=self.number, cause=cause, exit_code=exit_code, ended=ended, step=step, host=host, then=then
        )
        self.journal.append(entry)
        return entry


def _name(number: int) -> str:
    return f"journal/{number:08d}.json"

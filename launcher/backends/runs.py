"""`launcher runs`: every run below a storage root, by its journal."""

from dataclasses import dataclass

from launcher.storage.layout import DATASETS, MODEL, RECIPE
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class RunLine:
    run: str
    state: str
    """`new`, `owned`, `done`, or how its last attempt closed."""
    attempts: int
    step: int | None
    """Of the newest commit."""
    last: str | None
    """When an entry was written last, by the clock of who wrote it."""


def list_runs(storage: str) -> list[RunLine]:
    """In the order of their names; each costs a listing of its journal and a read of its entries."""
    root = Store.open(storage)
    names = [name for name in root.folders() if name != DATASETS]
    stores = [(name, Store.open(f"{storage.rstrip('/')}/{name}")) for name in names]
    return [_line(name, store) for name, store in stores if store.exists(RECIPE)]


def _line(name: str, store: Store) -> RunLine:
    from launcher.checkpoint.entries import live_commits
    from launcher.checkpoint.journal import Journal
    from launcher.ledger.attempts import attempts

    entries = Journal(store).entries()
    lines, commits = attempts(entries), live_commits(entries)
    state = "new" if not lines else "owned" if lines[-1].closed is None else lines[-1].cause or ""
    if any(commit.checkpoint == MODEL for commit in commits):
        state = "done"
    step = commits[-1].step if commits else None
    return RunLine(name, state, len(lines), step, entries[-1].time[:19].replace("T", " ") if entries else None)

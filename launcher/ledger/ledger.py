"""`launcher checkpoints`: a run's attempts, commits and epochs, read from its journal and manifests."""

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from launcher.checkpoint.entries import Lost
from launcher.checkpoint.journal import Journal
from launcher.ledger.attempts import AttemptLine, attempts
from launcher.ledger.commits import CommitLine, look_at_commits
from launcher.ledger.epochs import EpochLine, epochs, prove_epochs
from launcher.storage.client import single_try
from launcher.storage.retry import Retry
from launcher.storage.store import Store

SECONDS = len("2026-11-21T19:25:36")
"""Characters of a time without its fraction."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a run's journal says, and what was found of it."""

    run: str
    attempts: list[AttemptLine]
    commits: list[CommitLine]
    epochs: list[EpochLine]
    """As the newest commit that can be read tells them."""
    lost: list[str]
    """Entries of the journal that are missing or damaged."""

    @property
    def sound(self) -> bool:
        return not (self.lost or any(line.wrong for line in self.commits) or any(line.wrong for line in self.epochs))


def read_ledger(store: Store, *, verify: bool = False) -> Ledger:
    """Read a run's journal, and the manifests that it names.

    Args:
        verify: Read every byte of what is not retired, and hold whole epochs against their data sets.

    Raises:
        LauncherError: the journal has an entry of a kind that this launcher does not know.
        StoreFailed: the store failed until the deadline.
    """
    single = single_try(store)
    entries = Journal(single, Retry()).entries()
    with tempfile.TemporaryDirectory(prefix="ll-verify-") as made:
        looked = list(look_at_commits(single, entries, Path(made, "checkpoints"), verify=verify))
        ended: list[EpochLine] = []
        for each in reversed(looked):
            if each.manifest is not None and each.progress is not None:
                indexes = Path(made, "indexes")
                ended = prove_epochs(each.progress, each.manifest, indexes) if verify else epochs(each.progress)
                break
    lost = [f"{each.place} {each.why}" for each in entries if isinstance(each, Lost)]
    return Ledger(store.location, attempts(entries), [each.line for each in looked], ended, lost)


def ledger_json(ledger: Ledger) -> str:
    return json.dumps(asdict(ledger) | {"sound": ledger.sound}, indent=1)


def ledger_lines(ledger: Ledger) -> list[str]:
    """The ledger for a reader: three tables, and a line for each thing to note."""
    return [
        f"run       {ledger.run}",
        *_table("attempt opened closed exit commits cause who", map(_attempt_cells, ledger.attempts)),
        *_table(
            "entry step attempt committed files bytes metric epoch documents checkpoint state",
            map(_commit_cells, ledger.commits),
        ),
        *_table("source epoch consumed left-out proof", map(_epoch_cells, ledger.epochs)),
        *(f"lost      {line}" for line in ledger.lost),
        *(f"note      {note}" for line in ledger.commits for note in line.notes),
    ]


def _attempt_cells(line: AttemptLine) -> Sequence[object]:
    who = f"{line.backend} job {line.job_id} on {', '.join(line.hosts)}"
    if line.took_over is not None:
        who += f"; took over as {line.took_over}"
    closed = "never" if line.closed is None else _time(line.closed)
    return line.attempt, _time(line.opened), closed, line.exit_code, line.commits, line.cause, who


def _commit_cells(line: CommitLine) -> Sequence[object]:
    size = None if line.size is None else f"{line.size:,}"
    metric = None if line.metric is None else f"{line.metric:.4f}"
    epoch, documents = (
        " + ".join(f"{getattr(place, name):,}" for place in line.places) or None for name in ("epoch", "documents")
    )
    told = (line.number, line.step, line.attempt, _time(line.time), line.files, size, metric, epoch, documents)
    return *told, line.checkpoint, line.state


def _epoch_cells(line: EpochLine) -> Sequence[object]:
    return line.source, line.epoch, f"{line.consumed:,}", f"{line.left_out:,}", line.proof


def _time(told: str) -> str:
    return told[:SECONDS].replace("T", " ")


def _table(header: str, rows: Iterable[Sequence[object]]) -> list[str]:
    """Columns in line below a header; nothing where there are no rows."""
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    table = [header.split(), *cells]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "",
        *("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table),
    ]

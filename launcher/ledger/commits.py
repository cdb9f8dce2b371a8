"""A run's commits: what each holds, where in the data it stands, and whether every byte of it is as it was written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from launcher.checkpoint.committed import committed_files, model_files, read_manifest
from launcher.checkpoint.contents import Damaged, File, Manifest
from launcher.checkpoint.entries import Commit, Entry, live_commits
from launcher.storage.layout import MODEL
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from launcher.train.resuming import Progress

KEPT, RETIRED, VERIFIED = "kept", "retired", "verified"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a commit stands in one source of the data."""

    epoch: int
    """From 0."""
    documents: int
    """Of this epoch, consumed or left out."""


@dataclass(frozen=True, slots=True)
class CommitLine:
    """A commit; the last ones say nothing where it was retired, or its manifest cannot be read."""

    number: int
    """Of its journal entry."""
    step: int
    attempt: int
    time: str
    checkpoint: str
    metric: float | None
    state: str
    """`kept`, `retired` or, once every byte was read again, `verified`; else what is wrong."""
    wrong: bool = False
    files: int | None = None
    size: int | None = None
    """In bytes, without the manifest."""
    places: tuple[Place, ...] = ()
    """A source each; none for a finished model."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """A commit, and what its checkpoint says; None for a finished model, and where nothing can be read."""

    line: CommitLine
    manifest: Manifest | None = None
    progress: Progress | None = None


def look_at_commits(store: Store, entries: Sequence[Entry], folder: Path, *, verify: bool) -> Iterator[Looked]:
    """Every commit, in the order of the journal.

    Args:
        store: Its client tries once.
        folder: An empty one on this machine's own disk, for files that are fetched.
        verify: Read every byte of what is not retired.

    Raises:
        StoreFailed: the store failed until the deadline.
    """
    live = {commit.checkpoint for commit in live_commits(entries)}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, Commit):
            continue
        known = (number, entry.step, entry.attempt, entry.time, entry.checkpoint, entry.metric)
        if entry.checkpoint in live:
            yield _look(store, entry, CommitLine(*known, KEPT), folder, verify=verify)
        else:
            yield Looked(CommitLine(*known, RETIRED))


def _look(store: Store, commit: Commit, line: CommitLine, folder: Path, *, verify: bool) -> Looked:
    retry, notes = Retry(), list[str]()
    manifest = progress = None
    try:
        if commit.checkpoint == MODEL:
            files: Sequence[File] = model_files(store, commit, retry)
        else:
            manifest = read_manifest(store, commit, retry)
            files, progress = manifest.files, _progress(manifest, f"{store.location}/{commit.checkpoint}")
        line = replace(line, files=len(files), size=sum(file.size for file in files), places=_places(progress))
        if verify:
            committed_files(store, commit, files, notes.append, folder, retry=retry)
            line = replace(line, state=VERIFIED, notes=tuple(notes))
    except Damaged as error:
        return Looked(replace(line, state=str(error), wrong=True, notes=tuple(notes)))
    return Looked(line, manifest, progress)


def _progress(manifest: Manifest, place: str) -> Progress:
    try:
        return Progress.from_json(manifest.state)
    except ValidationError as invalid:
        error = invalid.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        raise Damaged(f"{place} holds the state of another launcher ({where}: {error['msg']})") from None


def _places(progress: Progress | None) -> tuple[Place, ...]:
    if progress is None:
        return ()
    return tuple(
        Place(each.epoch, each.consumed.documents + each.left_out.documents) for each in progress.cursor.sources
    )

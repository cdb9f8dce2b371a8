"""Which checkpoints stay, and the removal of the others: first an entry in the journal, and then the bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.checkpoint.entries import Commit, Open, Retire, live_commits
from launcher.checkpoint.journal import Attempt
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from launcher.storage.unfinished import abort, unfinished


@dataclass(frozen=True, slots=True)
class Keep:
    """A checkpoint stays if any of these wants it."""

    newest: int
    """So many of the newest, at least 1."""
    every_steps: int | None = None
    """Those after a multiple of it."""
    best: int = 0
    """So many of the best by their metric; those without one do not compete, and of equal ones the newer wins."""
    greater_is_better: bool = False
    behind_steps: int = 0
    """And the newest that is so many steps older than the newest of all, to roll back to."""

    def __post_init__(self) -> None:
        assert self.newest >= 1


def checkpoint_commits(attempt: Attempt) -> list[Commit]:
    """Commits of checkpoints that are not retired, in their order."""
    return [each for each in live_commits(attempt.journal.entries()) if each.checkpoint.startswith(f"{CHECKPOINTS}/")]


def retirable(commits: Sequence[Commit], keep: Keep, verified: str) -> list[Commit]:
    """The commits that may go, in their order.

    Args:
        commits: As `checkpoint_commits` gives them.
        verified: Folder of the newest that is known to be whole: it stays, whatever `keep` says.
    """
    stay = {commit.checkpoint for commit in commits[-keep.newest :]} | {verified}
    settled = [commit for commit in commits if commit.step <= commits[-1].step - keep.behind_steps]
    stay |= {commit.checkpoint for commit in settled[-1:]}
    if keep.every_steps is not None:
        stay |= {commit.checkpoint for commit in commits if commit.step % keep.every_steps == 0}
    sign = 1 if keep.greater_is_better else -1
    measured = [(sign * each.metric, place, each) for place, each in enumerate(commits) if each.metric is not None]
    measured.sort(key=lambda found: found[:2], reverse=True)
    stay |= {commit.checkpoint for _, _, commit in measured[: keep.best]}
    return [commit for commit in commits if commit.checkpoint not in stay]


def prune(attempt: Attempt, store: Store, keep: Keep, verified: str) -> list[str]:
    """Retire what may go, and remove its bytes; returns the folders.

    Raises:
        RunOwned: another attempt has the run, and nothing of it was removed.
        CannotRemove: bytes are still there; `collect` removes them later.
    """
    gone = [commit.checkpoint for commit in retirable(checkpoint_commits(attempt), keep, verified)]
    for checkpoint in gone:
        attempt.retire(checkpoint)
        store.remove(checkpoint)
    return gone


def collect(attempt: Attempt, store: Store, retry: Retry) -> list[str]:
    """Remove what earlier attempts left: folders that no commit names, and uploads that nobody will finish.

    An earlier attempt that is still alive is fenced: what it stores now, no commit will ever name.

    Returns:
        What was removed: folders, and objects of which parts were there.

    Raises:
        RunOwned: another attempt has the run, and nothing of it was removed.
        CannotRemove: a folder is still there.
    """
    entries = attempt.journal.entries()
    # Asked for after it was opened: what is not ours now, and not a later attempt's, is nobody's
    earlier = {str(entry.attempt) for entry in entries if isinstance(entry, Open) and entry.attempt < attempt.number}
    retired = {entry.checkpoint for entry in entries if isinstance(entry, Retire)}
    named = {entry.checkpoint for entry in entries if isinstance(entry, Commit)} - retired

    def abandoned(name: str) -> bool:
        folder = "/".join(name.split("/")[:2])
        return folder not in named and _attempt_of(folder) in earlier

    listed = retry.call(f"{store.location}/{CHECKPOINTS}", lambda _: store.list(CHECKPOINTS))
    folders = sorted({"/".join(name.split("/")[:2]) for name in listed if abandoned(name)})
    for folder in folders:
        store.remove(folder)
    left = {name: ids for name, ids in unfinished(store, CHECKPOINTS, retry).items() if abandoned(name)}
    for name, uploads in left.items():
        for upload in uploads:
            abort(store, name, upload, retry)
    return folders + sorted(left)


def _attempt_of(folder: str) -> str | None:
    """Of `checkpoints/<step>-<attempt>-<nonce>`; None where it is named otherwise."""
    parts = folder.removeprefix(f"{CHECKPOINTS}/").split("-")
    return parts[1] if len(parts) == 3 else None

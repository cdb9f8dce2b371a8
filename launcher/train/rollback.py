"""Going back behind bad steps: what a rank raises, what the journal keeps of it, and where the next attempt stands."""

from collections.abc import Iterable
from typing import Any

from launcher.checkpoint.entries import Entry, RolledBack, live_commits
from launcher.checkpoint.journal import Attempt
from launcher.data.stream.cursor import Stretch
from launcher.errors import LauncherError
from launcher.storage.layout import CHECKPOINTS


class RollBack(LauncherError):
    """Steps went bad: the run goes on from before them, without their data.

    Attributes:
        first: First of the bad steps.
        step: Last of them.
        keep: The last step whose commit may be gone on from.
        stretch: What is left out of the data from now on.
        why: What was seen.
    """

    def __init__(self, first: int, step: int, keep: int, stretch: Stretch, why: str) -> None:
        super().__init__(f"steps {first:,} to {step:,} went bad: {why}")
        self.first, self.step, self.keep, self.stretch, self.why = first, step, keep, stretch, why

    def __reduce__(self) -> tuple[Any, ...]:
        return RollBack, (self.first, self.step, self.keep, self.stretch, self.why)


class Diverged(LauncherError):
    """Steps went bad more often than the recipe lets a run go back."""


def roll_back(attempt: Attempt, error: RollBack, most: int) -> str:
    """Void what was committed since the steps went bad, and note what is left out; returns a line for the user.

    The journal's entry comes first: whatever happens then, no void commit is gone on from.

    Args:
        attempt: The one that failed, and still has the run.
        most: Roll-backs that a run may have.

    Raises:
        Diverged: it has had them. What is void is so all the same.
        RunOwned: another attempt has the run.
    """
    journal = attempt.journal
    before = journal.entries()
    number = sum(isinstance(each, RolledBack) for each in before) + 1
    journal.append(
        RolledBack(
            attempt=attempt.number, step=error.keep, first=error.stretch.first, end=error.stretch.end, why=error.why
        )
    )
    kept = {commit.checkpoint for commit in live_commits(journal.entries())}
    for commit in live_commits(before):
        if commit.checkpoint not in kept and commit.checkpoint.startswith(f"{CHECKPOINTS}/"):
            attempt.retire(commit.checkpoint)
    if number > most:
        raise Diverged(
            f"{error} (roll-backs before: {number - 1}); lower training.learning_rate, look at packs "
            f"{error.stretch.first:,} to {error.stretch.end:,} of the data, or raise sentinel.max_rollbacks"
        )
    packs = error.stretch.end - error.stretch.first
    return f"rolled back  {error}; goes on after step {error.keep:,} or before, {packs:,} packs left out"


def left_out(entries: Iterable[Entry]) -> tuple[Stretch, ...]:
    """What a run's roll-backs leave out of its data, from the beginning on."""
    return tuple(Stretch(each.first, each.end) for each in entries if isinstance(each, RolledBack))

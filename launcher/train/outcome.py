"""How an attempt ended, as its driver sees it."""

from dataclasses import dataclass

from launcher.errors import LauncherError
from launcher.interrupt.notice import Notice
from launcher.train.desk import RankFailure


@dataclass(frozen=True, slots=True)
class Done:
    """Trained to the end, scored and stored."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    notice: Notice
    step: int | None = None
    """Steps that had run when the ranks left; None where they did not leave by themselves."""
    rescued: str | None = None
    """Folder on each machine's own disk, where the state lies there and is in no commit."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What failed first."""

    error: LauncherError
    """What the user is told."""
    kind: str
    """A row of `launcher.train.verdicts`."""
    rank: int | None = None
    host: str | None = None
    step: int | None = None
    """That was running."""
    told: RankFailure | None = None
    """What the rank said, where one did."""


@dataclass(frozen=True, slots=True)
class Failed:
    cause: Cause
    told: tuple[RankFailure, ...] = ()
    """What every rank said, in its order."""
    notes: tuple[str, ...] = ()
    """The last lines that ranks left for the terminal, the uploaders' among them."""


Outcome = Done | Interrupted | Failed

"""Where ranks leave word for the driver, and the driver for them: an actor beside it, which no rank waits for."""

import time
from dataclasses import dataclass, replace

from launcher.errors import LauncherError
from launcher.interrupt.notice import Kind
from launcher.train.step_record import StepRecord


@dataclass(frozen=True, slots=True)
class Stage:
    """What the run does now, for the terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line that stays on the terminal."""

    text: str


@dataclass(frozen=True, slots=True)
class RankFailure:
    """An exception that ended a rank."""

    rank: int
    host: str
    error: str
    """Type and message, on one line."""
    known: LauncherError | None
    """An exception whose message is meant for the user as it stands."""
    traceback: str
    types: tuple[str, ...] = ()
    """Names of the exception's class and of all it comes from, the nearest first."""
    step: int | None = None
    """That was running, where one was."""


@dataclass(frozen=True, slots=True)
class Progress:
    record: StepRecord
    steps: int
    """Steps that are expected in all."""
    last: bool = False


@dataclass(frozen=True, slots=True)
class Seated:
    """Where a rank runs."""

    rank: int
    host: str
    node: str
    """Ray's id."""


@dataclass(frozen=True, slots=True)
class Looping:
    """Whether the loop runs: then an interruption can be committed."""

    runs: bool


@dataclass(frozen=True, slots=True)
class Left:
    """The ranks left the loop for an interruption, and what they could keep is kept."""

    step: int
    """Steps that have run."""
    rescued: str | None
    """Folder on each machine's own disk, where the state lies there and is in no commit."""


Message = Stage | Note | RankFailure | Progress | Seated | Looping | Left


@dataclass(frozen=True, slots=True)
class Call:
    """A notice as it is passed on: each hearer has a clock of its own."""

    kind: Kind
    why: str
    seconds_left: float | None


class Desk:
    """Messages in the order in which they came."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._call: Call | None = None
        self._called = 0.0

    def post(self, message: Message) -> None:
        """Leave a message."""
        self._messages.append(message)

    def take(self) -> list[Message]:
        """All messages since the last call."""
        taken, self._messages = self._messages, []
        return taken

    def call(self, call: Call) -> None:
        """Leave a notice for the ranks, in place of the one before."""
        self._call, self._called = call, time.monotonic()

    def called(self) -> Call | None:
        """The notice, with the seconds that are left now."""
        if self._call is None or self._call.seconds_left is None:
            return self._call
        return replace(self._call, seconds_left=self._call.seconds_left - (time.monotonic() - self._called))

"""Where ranks leave word for the driver: an actor beside it, which no rank waits for."""

from dataclasses import dataclass

from launcher.errors import LauncherError
from launcher.train.meters import StepRecord


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


@dataclass(frozen=True, slots=True)
class Progress:
    record: StepRecord
    steps: int
    """Steps that are expected in all."""
    last: bool = False


Message = Stage | Note | RankFailure | Progress


class Desk:
    """Messages in the order in which they came."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def post(self, message: Message) -> None:
        """Leave a message."""
        self._messages.append(message)

    def take(self) -> list[Message]:
        """All messages since the last call."""
        taken, self._messages = self._messages, []
        return taken

"""The driver's side of an attempt that runs: it hears the ranks, passes notices on to them, and ends them in time."""

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import ray

from launcher.errors import LauncherError
from launcher.interrupt.inbox import Inbox
from launcher.interrupt.notice import Notice
from launcher.train.console import RunConsole
from launcher.train.desk import Call, Desk, Left, Looping, Message, Note, RankFailure, Seated
from launcher.train.overseer import Overseer

if TYPE_CHECKING:
    from ray.actor import ActorHandle
    from ray.train.v2._internal.execution.controller.controller import TrainController

POLL_S = 0.2
CUT_S = 3.0
"""So long before a deadline the ranks are ended, for the journal to be closed in time."""
ABORT_S = 6.0
"""For Ray to end a worker group in order; then its controller is killed, and what is left of it goes with the cluster.
It waits 5 s for workers that do not answer."""
NOTES = 20


class Watch:
    """Runs in a thread beside Ray's `fit`.

    Attributes:
        failures: What ranks failed of, in the order in which they told.
        seats: Where ranks run, as far as they came to say so.
        notes: The last lines that ranks left for the terminal.
        left: What the ranks said when they left the loop for an interruption.
        cut: The notice for which the ranks were ended from here.
        overseer: Hears of ranks that are stuck or slow.
        broken: Why they were ended from here as something is wrong with them.
        controller: Ray's, once it is there.
    """

    def __init__(
        self, desk: "ActorHandle[Desk]", console: RunConsole, inbox: Inbox, overseer: Overseer, *, saves: bool
    ) -> None:
        """Nothing runs yet.

        Args:
            saves: Whether an interruption can be committed at all.
        """
        self.failures: list[RankFailure] = []
        self.seats: dict[int, Seated] = {}
        self.notes: deque[str] = deque(maxlen=NOTES)
        self.left: Left | None = None
        self.cut: Notice | None = None
        self.broken: LauncherError | None = None
        self.controller: ActorHandle[TrainController] | None = None
        self._desk = desk
        self._console = console
        self._inbox = inbox
        self.overseer = overseer
        self._saves = saves
        self._loops = False
        self._passed: Notice | None = None
        self._ending: float | None = None

    def run(self, ended: threading.Event) -> None:
        """Until the workers have ended, and all that they said was heard."""
        last = False
        while not last:
            last = ended.wait(POLL_S)
            messages: list[Message] = ray.get(self._desk.take.remote())
            for message in messages:
                self.hear(message)
            self.overseer.look()
            if not last:
                self._mind(self._inbox.current(), time.monotonic())

    def hear(self, message: Message) -> None:
        self.overseer.hear(message)
        if isinstance(message, RankFailure):
            self.failures.append(message)
        elif isinstance(message, Seated):
            self.seats[message.rank] = message
        elif isinstance(message, Looping):
            self._loops = message.runs
        elif isinstance(message, Left):
            self.left = message
        else:
            if isinstance(message, Note):
                self.notes.append(message.text)
            self._console.show(message)

    def hosts(self) -> dict[str, str]:
        """Host names of the nodes with workers, by Ray's id."""
        return {seat.node: seat.host for seat in list(self.seats.values())}

    def _mind(self, notice: Notice | None, now: float) -> None:
        if self.broken is not None:
            self._end(now)
        elif notice is not None:
            self._pass_on(notice, now)
            if self._hopeless(notice, now):
                self.cut = notice
                self._end(now)

    def _pass_on(self, notice: Notice, now: float) -> None:
        if notice == self._passed:
            return
        if self._passed is None or notice.why != self._passed.why:
            left_s = notice.seconds_left(now)
            until = "" if left_s is None else f", {left_s:.0f} s left"
            self._console.line(f"{notice.kind:<9} {notice.why}{until}: what is trained will be committed")
        self._passed = notice
        self._desk.call.remote(Call(notice.kind, notice.why, notice.seconds_left(now)))

    def _hopeless(self, notice: Notice, now: float) -> bool:
        """Whether the ranks have nothing to commit, or no time."""
        left_s = notice.seconds_left(now)
        too_late = left_s is not None and left_s < CUT_S
        return too_late or (self.left is None and not (self._loops and self._saves))

    def _end(self, now: float) -> None:
        """End the workers, without waiting for it; called until they have ended."""
        if self.controller is None:
            return
        if self._ending is None:
            self._ending = now
            self.controller.abort.remote()
        elif now - self._ending > ABORT_S:
            ray.kill(self.controller)

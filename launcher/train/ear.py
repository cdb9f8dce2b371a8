"""How the leading rank hears of an interruption: a thread asks the desk, and the loop reads an attribute."""

import threading
import time
from typing import TYPE_CHECKING, cast

import ray

from launcher.interrupt.notice import Notice
from launcher.train.desk import Call, Desk

if TYPE_CHECKING:
    from ray.actor import ActorHandle

PERIOD_S = 0.3


class Ear:
    """Asks until something was heard, and then for what is more urgent.

    Attributes:
        heard: The notice, with its deadline on this process's clock; None so far.
    """

    def __init__(self, desk: "ActorHandle[Desk]") -> None:
        self.heard: Notice | None = None
        self._desk = desk
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ear", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._ended.wait(PERIOD_S):
            call = cast(Call | None, ray.get(self._desk.called.remote()))
            if call is not None:
                deadline = None if call.seconds_left is None else time.monotonic() + call.seconds_left
                self.heard = Notice(call.kind, call.why, deadline)

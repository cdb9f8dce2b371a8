"""The driver's ear for ranks that are stuck or slow: who it is, in a line and an event."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from launcher.storage.store import CannotWrite, Store
from launcher.track.events import EventLog
from launcher.train.desk import Seated
from launcher.train.hangs import Hung, Stuck, stuck_line, suspects
from launcher.train.outcome import Cause
from launcher.train.pace import Pace, slow_ranks

DRIVER = 99_999
"""Stands for the driver where events are numbered by their rank."""
GATHER_S = 6.0
"""After the first word on a stuck step, for those of the other ranks."""
IN_A_ROW = 2
"""Words of a rank in which it is slow, until it is named."""

Tell = Callable[[str], None]


class Overseer:
    """Of one attempt; for one thread."""

    def __init__(self, store: Store, attempt: int, world: int, slow_factor: float, tell: Tell) -> None:
        self._events = EventLog(store, attempt, DRIVER)
        self._world = world
        self._slow_factor = slow_factor
        self._tell = tell
        self._hosts: dict[int, str] = {}
        self._stuck: dict[int, Stuck] = {}
        self._told: frozenset[int] = frozenset()
        self._first = 0.0
        self._paces: dict[int, Pace] = {}
        self._slow: dict[int, int] = {}

    def hear(self, message: object) -> None:
        """A message of any kind; those of other kinds change nothing."""
        if isinstance(message, Seated):
            self._hosts[message.rank] = message.host
        elif isinstance(message, Stuck):
            self._hear_stuck(message)
        elif isinstance(message, Pace):
            self._hear_pace(message)

    def look(self) -> None:
        """Tell of a stuck step, once all ranks had time to say something."""
        ranks = frozenset(self._stuck)
        if ranks and ranks != self._told and time.monotonic() - self._first >= GATHER_S:
            self._told = ranks
            self._tell(f"stuck     {self._line()}")
            found = suspects(self._stuck, self._world)
            step = max(each.step for each in self._stuck.values())
            stacks = {str(rank): [str(frame) for frame in each.stack] for rank, each in self._stuck.items()}
            self._emit("stuck", step, **asdict(found), stacks=stacks)

    def cause(self, cause: Cause) -> Cause:
        """What an attempt failed of: where a step hung, the rank that it hung on, if one can be told."""
        if not isinstance(cause.error, Hung) or not self._stuck:
            return cause
        found = suspects(self._stuck, self._world)
        blamed = (*found.silent, *found.busy)
        rank = blamed[0] if len(blamed) == 1 else None
        return replace(cause, error=Hung(self._line()), rank=rank, host=None if rank is None else self._hosts.get(rank))

    def _line(self) -> str:
        return stuck_line(self._stuck, self._world, self._hosts)

    def _hear_stuck(self, message: Stuck) -> None:
        if any(each.step != message.step for each in self._stuck.values()):
            self._stuck, self._told = {}, frozenset()
        if not self._stuck:
            self._first = time.monotonic()
        self._stuck[message.rank] = message

    def _hear_pace(self, message: Pace) -> None:
        self._paces[message.rank] = message
        if len(self._paces) < self._world:
            return
        slow = {each.pace.rank: each for each in slow_ranks(self._paces, self._slow_factor)}
        if message.rank not in slow:
            self._slow.pop(message.rank, None)
            return
        self._slow[message.rank] = self._slow.get(message.rank, 0) + 1
        if self._slow[message.rank] == IN_A_ROW:
            factor, host = slow[message.rank].factor, message.host
            self._tell(f"slow      rank {message.rank} on {host} computes {factor:.2f} times as long as its peers")
            self._emit("slow-rank", message.step, rank_slow=message.rank, host=host, factor=factor)

    def _emit(self, kind: str, step: int, **told: Any) -> None:
        self._events.emit(kind, step=step, **told)
        try:
            self._events.flush()
        except CannotWrite as error:  # told, as nothing hangs on it: it is written with the next one
            self._tell(f"not noted {error}")

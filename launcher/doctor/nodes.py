"""The machines that are examined: this one, or those of a Ray cluster."""

import socket
import time
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from launcher.doctor.verdict import Answers, Ask
from launcher.storage.retry import one_line

T = TypeVar("T")
Clock = Callable[[], float]
"""Seconds since the epoch, by the clock of some machine."""


class Nodes(Protocol):
    @property
    def hosts(self) -> tuple[str, ...]: ...

    def each(self, look: Callable[[Ask], T], ask: Ask) -> Answers[T]:
        """Let all machines look at once; each is told its number and address."""

    def clocks(self) -> Mapping[str, Clock]:
        """Reading one takes as long as the way there and back."""


class Here:
    """This machine alone."""

    hosts = (socket.gethostname(),)

    def each(self, look: Callable[[Ask], T], ask: Ask) -> Answers[T]:
        (host,) = self.hosts
        try:
            return Answers({host: look(ask)}, {})
        except Exception as error:  # a check that breaks is told as the others' findings are
            return Answers({}, {host: one_line(error)})

    def clocks(self) -> Mapping[str, Clock]:
        return {self.hosts[0]: time.time}

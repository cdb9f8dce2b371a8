"""What looks on while a rank trains: the watchdog, and its word on its pace now and then."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

from launcher.train.cadence import Moment
from launcher.train.pace import SECONDS, STEPS, Pace, PaceMeter
from launcher.train.rank import Rank
from launcher.train.watchdog import Watchdog

AfterStep = Callable[[Moment], bool]


@contextmanager
def looking_on(rank: Rank, model: nn.Module, step: int, after_step: AfterStep) -> Iterator[AfterStep]:
    """Watch the thread that enters this train, while the context is open.

    Args:
        step: Steps that have run.
        after_step: What happens after each step anyway; in its place goes what the context gives.
    """
    pacing = Pacing(rank, model)
    try:
        with Watchdog(rank, step) as watchdog:
            yield watchdog.beside(pacing.beside(after_step))
    finally:
        pacing.close()


class Pacing:
    """Measures the model of a rank that has peers, and tells the desk without waiting."""

    def __init__(self, rank: Rank, model: nn.Module) -> None:
        self._rank = rank
        self._meter = PaceMeter(model, rank.device) if rank.world > 1 else None
        self._steps, self._told = 0, time.monotonic()

    def beside(self, after_step: AfterStep) -> AfterStep:
        """Hear of each step that has run, and go on with `after_step`."""
        meter = self._meter
        if meter is None:
            return after_step

        def after(now: Moment) -> bool:
            meter.step()
            self._steps += 1
            if self._steps >= STEPS and time.monotonic() - self._told >= SECONDS:
                self._steps, self._told = 0, time.monotonic()
                token_s = meter.take()
                if token_s is not None:
                    self._rank.desk.post.remote(Pace(self._rank.number, socket.gethostname(), now.step, token_s))
            return after_step(now)

        return after

    def close(self) -> None:
        if self._meter is not None:
            self._meter.close()

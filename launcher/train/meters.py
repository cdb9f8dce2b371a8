"""Speed, time that is left, and memory."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WINDOW_S = 10.0
"""Speed is averaged over about this long, in seconds."""


class Speedometer:
    """Tokens a second over the recent past, by this process's monotonic clock."""

    def __init__(self) -> None:
        self._aside = 0.0
        self._marks = [(time.monotonic(), 0)]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Time that does not count, as of an evaluation."""
        began = time.monotonic()
        yield
        self._aside += time.monotonic() - began

    def add(self, tokens: int) -> float:
        """Count tokens just done; returns the present speed in tokens a second."""
        now = time.monotonic() - self._aside
        self._marks.append((now, self._marks[-1][1] + tokens))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW_S:
            self._marks.pop(0)
        (start, before), (end, after) = self._marks[0], self._marks[-1]
        return (after - before) / max(end - start, 1e-9)


class Countdown:
    """Time left, from the share of a run that is done."""

    def __init__(self, done: float) -> None:
        self._began = time.monotonic()
        self._first = done

    def left(self, done: float) -> float:
        """Seconds to the end at the speed so far."""
        return (time.monotonic() - self._began) * (1 - done) / max(done - self._first, 1e-12)


def peak_memory_gib(device: torch.device) -> float:
    """Largest memory held so far, in GiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

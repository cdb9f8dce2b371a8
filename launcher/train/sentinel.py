"""Watches losses and gradients: which steps are bad, and when a run is to go back behind them.

Every rank looks at the same numbers, summed over all of them, in the same order. So all come to the same end without a
word to one another.
"""

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from launcher.data.stream.cursor import Stretch
from launcher.recipe.sentinel import Sentinel as Settings
from launcher.recipe.training import Training
from launcher.track.tracks import Tracks
from launcher.train.feed import Feed
from launcher.train.rollback import RollBack
from launcher.train.step_record import StepRecord

CONSISTENT = 1.4826
"""Times the median absolute deviation is the standard deviation of normal values (https://doi.org/10.2307/2291267)."""
SCALER_STEPS = 30
"""In fp16, steps in a row that may overflow while the loss is finite: halving a scale of 65,536 to 1 takes 16."""
SEEN_AFTER = 2
"""Steps until a step's loss is known to all ranks."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one step's numbers tell."""

    finite: bool
    score: float | None = None
    """Of a spike: robust standard deviations above the median of the latest losses."""
    roll_back: str | None = None
    """Why the run is to be rolled back; None where it is not."""


class Sentinel:
    """Pure: what it says depends on the numbers that it was shown alone.

    Attributes:
        skipped: Steps without a finite gradient, which changed no weights.
        first: The first of the bad steps in a row that is under way; None after a good one.
    """

    def __init__(self, settings: Settings, *, scaled: bool) -> None:
        """Args:
        scaled: Losses are scaled, as in fp16: gradients overflow now and then, and the scale follows.
        """
        self.skipped = 0
        self.first: int | None = None
        self._settings = settings
        self._scaled = scaled
        self._latest: deque[float] = deque()
        self._ordered: list[float] = []
        self._not_finite = self._spikes = 0

    def look(self, step: int, loss: float, grad_norm: float) -> Seen:
        """One step's loss, in nats, and gradient norm, in the order of the steps."""
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            return self._look_at_not_finite(step, loss, grad_norm)
        score = self._score(loss)
        if score is None:
            self.first, self._not_finite, self._spikes = None, 0, 0
            self._keep(loss)
            return Seen(finite=True)
        self._begin(step)
        self._spikes += 1
        enough = self._settings.enabled and self._spikes >= self._settings.spike_steps
        middle = median(self._ordered)
        row = f"{self._spikes} losses in a row" if self._spikes > 1 else "a loss"
        why = f"{row} far above the median of {middle:.4g}, the last {loss:.4g} (score {score:.1f})"
        return Seen(finite=True, score=score, roll_back=why if enough else None)

    def _look_at_not_finite(self, step: int, loss: float, grad_norm: float) -> Seen:
        self._begin(step)
        self._not_finite += 1
        self.skipped += not math.isfinite(grad_norm)
        limit = self._settings.not_finite_steps
        if self._scaled and math.isfinite(loss):
            limit = max(limit, SCALER_STEPS)
        enough = self._settings.enabled and self._not_finite >= limit
        steps = f"{self._not_finite} steps in a row" if self._not_finite > 1 else "a step"
        why = f"{steps} without a finite loss and gradient (the last loss {loss:.4g}, gradient norm {grad_norm:.4g})"
        return Seen(finite=False, roll_back=why if enough else None)

    def _begin(self, step: int) -> None:
        if self.first is None:
            self.first = step

    def _score(self, loss: float) -> float | None:
        """How far above the latest losses, where that is a spike."""
        settings = self._settings
        if settings.spike_score is None or len(self._ordered) < settings.warmup_steps:
            return None
        middle = self._ordered[len(self._ordered) // 2]
        if loss - middle < settings.spike_score * settings.spike_floor:
            return None  # whatever the deviation: most steps end here
        middle = median(self._ordered)
        score = (loss - middle) / max(scatter(self._latest), settings.spike_floor)
        return score if score >= settings.spike_score else None

    def _keep(self, loss: float) -> None:
        """Spikes are not kept: the next one would look the smaller for it."""
        if len(self._latest) == self._settings.window_steps:
            del self._ordered[bisect_left(self._ordered, self._latest.popleft())]
        self._latest.append(loss)
        insort(self._ordered, loss)


def scatter(values: Sequence[float]) -> float:
    """A robust standard deviation of values around a trend, from the differences of neighbours; of two at the least.

    The values' own deviation from their median would take a curve that falls for one that scatters.
    """
    return CONSISTENT * median(abs(after - before) for before, after in pairwise(values)) / math.sqrt(2)


def horizon(settings: Settings) -> int:
    """Steps that may lie between a commit that a run has to go back to and the latest one."""
    return max(settings.not_finite_steps, settings.spike_steps) + settings.lead_steps + SEEN_AFTER + 1


class Guard:
    """A rank's sentinel, with what it needs to say where a run is to go back to."""

    def __init__(self, settings: Settings, training: Training, feed: Feed, tracks: Tracks | None) -> None:
        self._settings = settings
        self._sentinel = Sentinel(settings, scaled=training.precision == "fp16")
        self._feed = feed
        self._tracks = tracks

    def look(self, measured: StepRecord) -> None:
        """Raises RollBack, on all ranks alike, where the run is to be rolled back."""
        seen = self._sentinel.look(measured.step, measured.loss, measured.grad_norm)
        if seen.finite and seen.score is None:
            return
        if not seen.finite:
            self._emit("step-skipped", measured, skipped=self._sentinel.skipped)
        if seen.score is not None:
            self._emit("loss-spike", measured, score=seen.score)
        if seen.roll_back is not None:
            error = self._roll_back(measured.step, seen.roll_back)
            told = {"to_step": error.keep, "first": error.stretch.first, "end": error.stretch.end}
            self._emit("roll-back", measured, **told, why=seen.roll_back)
            raise error

    def _roll_back(self, step: int, why: str) -> RollBack:
        assert self._sentinel.first is not None
        keep = max(0, self._sentinel.first - 1 - self._settings.lead_steps)
        stretch = Stretch(self._feed.place_after(keep), self._feed.place_after(step))
        return RollBack(self._sentinel.first, step, keep, stretch, why)

    def _emit(self, kind: str, measured: StepRecord, **told: float | str) -> None:
        if self._tracks is not None:
            self._tracks.emit(kind, measured.step, **told)

"""The event log and every tracker, as one thing to tell."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from launcher.recipe.recipe import Recipe
from launcher.recipe.tracking import Tracking
from launcher.storage.store import Store
from launcher.track.background import Background, close_all
from launcher.track.events import EventLog
from launcher.track.tracker import Tell, TrackedRun, Tracker
from launcher.track.values import RESUME, named_values


class Tracks:
    """What an attempt measures. The event log is the ledger; trackers get the numbers of it, and may fail."""

    def __init__(self, events: EventLog, trackers: Sequence[Background]) -> None:
        self._events = events
        self._trackers = list(trackers)

    def emit(self, kind: str, /, step: int, **fields: Any) -> None:
        """Note an event of a step; steps do not fall. Kinds and names that are plotted: `track/values.py`."""
        self._events.emit(kind, step=step, **fields)
        values = named_values(kind, fields)
        if values:
            for tracker in self._trackers:
                tracker.log(step, values)

    def flush(self) -> None:
        """Write the events; trackers follow in their own time. Belongs before each commit.

        Raises:
            CannotWrite: the store takes no more.
        """
        self._events.flush()
        for tracker in self._trackers:
            tracker.flush()

    def close(self, exit_code: int) -> None:
        """Write the events, and end the trackers within a bound."""
        try:
            self._events.flush()
        finally:
            close_all(self._trackers, exit_code)


def open_tracks(
    events: EventLog,
    store: Store,
    recipe: Recipe,
    *,
    resumed_step: int | None,
    past: Iterable[Mapping[str, Any]],
    tell: Tell,
) -> Tracks:
    """What an attempt's leading rank reports to, by the recipe; returns at once.

    `resumed_step` is None in a run's first attempt, and 0 in a later one without a commit to go on from. `past` are the
    earlier events, read in the background where they are needed. `tell` takes one line about a tracker's trouble, from
    any thread.
    """
    run = TrackedRun(store.root.rsplit("/", 1)[-1], store, recipe.model_dump(mode="json"), resumed_step, past)
    trackers = [
        Background(title, partial(make, recipe.tracking, run, tell), tell)
        for name, (title, make) in TRACKERS.items()
        if name in recipe.tracking.report_to
    ]
    chosen = {"strategy": recipe.strategy.key, "micro_batch": recipe.training.micro_batch}  # where it left them open
    events.emit(RESUME, step=resumed_step or 0, **chosen)
    return Tracks(events, trackers)


def _wandb(tracking: Tracking, run: TrackedRun, tell: Tell) -> Tracker:
    from launcher.track.wandb_tracker import WandbTracker

    return WandbTracker(tracking.wandb, run, tell)


def _tensorboard(tracking: Tracking, run: TrackedRun, tell: Tell) -> Tracker:
    from launcher.track.tensorboard import TensorBoardTracker

    return TensorBoardTracker(run)


TRACKERS: dict[str, tuple[str, Callable[[Tracking, TrackedRun, Tell], Tracker]]] = {
    "wandb": ("W&B", _wandb),
    "tensorboard": ("TensorBoard", _tensorboard),
}
"""By the names of `tracking.report_to`: how a user reads it, and what makes it."""

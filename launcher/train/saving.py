"""The commits of an attempt as a rank sees them: when, what, and what became of them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from torch import distributed, nn

from launcher.checkpoint.destination import Destination
from launcher.checkpoint.interval import Auto, BackPressure, EveryMinutes, When
from launcher.checkpoint.outcome import Failed, Saved
from launcher.checkpoint.retention import Keep
from launcher.checkpoint.saver import Saver
from launcher.data.stream.cursor import MixtureCursor
from launcher.data.stream.stream import EpochEnd
from launcher.recipe.training import Training
from launcher.track.tracks import Tracks
from launcher.train.agree import Tally
from launcher.train.cadence import Moment, save_due
from launcher.train.desk import Note
from launcher.train.loop import Loop
from launcher.train.milestones import Milestones
from launcher.train.rank import Rank
from launcher.train.resuming import Progress
from launcher.train.state.holdings import trained
from launcher.train.state.state import counters, take_state

MINUTES = 15.0
BUDGET = 0.01
AGREED_AFTER = 2
"""Steps after a save until all ranks know which are busy."""


class Saving:
    """Saves are decided alike on all ranks; the uploader behind commits them."""

    def __init__(self, rank: Rank, loop: Loop, milestones: Milestones, saver: Saver, tracks: Tracks | None) -> None:
        self._rank = rank
        self._loop = loop
        self._milestones = milestones
        self._saver = saver
        self._tracks = tracks
        self._training = rank.job.recipe.training
        self._when = _when(self._training, rank)
        self._pressure = BackPressure()
        self._began, self._latest = time.monotonic(), loop.feed.step
        self._saved = -AGREED_AFTER - 1
        self._stall = self._upload = 0.0

    @property
    def busy(self) -> bool:
        self._hear()
        return self._saver.busy

    @property
    def wished(self) -> bool:
        """The leading rank's clock decides for all."""
        if self._when is None or not self._rank.leads:
            return False
        steps, seconds = self._loop.feed.step - self._latest, time.monotonic() - self._began
        return self._when.due(steps, seconds, self._stall, self._upload)

    def due(self, now: Moment, agreed: Tally) -> bool:
        fresh = now.step - self._saved <= AGREED_AFTER  # what was agreed is from before the last save
        if not save_due(self._training, now) and (not agreed.wishes or fresh):
            return False
        decision = self._pressure.decide(busy=fresh or agreed.busy > 0)
        if decision == "skip" and not now.last:
            self._emit(now.step, "save-skipped", skipped=self._pressure.skipped)
            return False
        while self._saver.busy:
            self._hear(seconds=1.0)
        return True

    def save(self, now: Moment, cursor: MixtureCursor, ended: tuple[EpochEnd, ...]) -> None:
        if self._tracks is not None:
            self._tracks.flush()
        loop, best = self._loop, self._milestones.best
        state = Progress(
            step=now.step,
            last=now.last,
            cursor=cursor,
            counters=counters(loop.engine),
            skipped=loop.schedule.skipped,
            stopping=asdict(self._milestones.stopping),
            has_best=best is not None,
            global_batch=self._rank.job.batches.global_batch,
            ended=ended,
        )
        fragments = take_state(loop.engine, loop.model) + ([] if best is None else best.fragments())
        self._latest = self._saved = now.step
        self._began = time.monotonic()
        self._stall = self._saver.save(now.step, fragments, state.to_json(), self._milestones.metric)

    def finish(self) -> None:
        """Wait until all ranks have heard of the last commit: the node's uploader ends with the first rank to leave."""
        while self._saver.busy:
            self._hear(seconds=1.0)
        self._hear()
        distributed.barrier()

    def _hear(self, seconds: float = 0.0) -> None:
        """What became of the last snapshot; raises RunOwned where another attempt has the run."""
        while (outcome := self._saver.poll(seconds)) is not None:
            seconds = 0.0
            if isinstance(outcome, Failed):
                self._rank.tell(Note(f"not saved  step {outcome.step}: {outcome.why}"))
                self._emit(outcome.step, "save-failed", why=outcome.why)
                continue
            assert isinstance(outcome, Saved)
            self._upload = outcome.seconds
            for note in outcome.notes:
                self._rank.tell(Note(note))
            told = {"bytes": outcome.size, "stall_s": self._stall, "upload_s": outcome.seconds}
            self._emit(outcome.step, "commit", committed=outcome.step, **told)

    def _emit(self, step: int, kind: str, **told: float | str) -> None:
        if self._tracks is not None:
            self._tracks.emit(kind, max(step, self._loop.feed.step - 1), **told)


@contextmanager
def open_saving(rank: Rank, loop: Loop, milestones: Milestones, tracks: Tracks | None) -> Iterator[Saving | None]:
    """None where the recipe says that nothing is to be saved."""
    if rank.job.recipe.training.saving == "no":
        yield None
        return
    destination = Destination(
        run_url=rank.job.run_url,
        attempt=rank.job.attempt,
        nonce=rank.job.nonce,
        origin=rank.job.origin,
        trained=_trained(loop.model),
        world=rank.world,
        node=rank.seat.node,
        local_world=rank.seat.local_world,
        keep=_keep(rank.job.recipe.training),
    )
    saver = Saver(destination, rank.number, starts=rank.seat.local == 0)
    try:
        yield Saving(rank, loop, milestones, saver, tracks)
    finally:
        saver.close()


def _trained(model: nn.Module) -> dict[str, int]:
    """Elements of each trained parameter; under ZeRO 3 the parameter itself is empty."""
    return {name: int(getattr(each, "ds_numel", each.numel())) for name, each in trained(model)}


def _when(training: Training, rank: Rank) -> When | None:
    if training.saving == "minutes":
        return EveryMinutes(training.save_minutes or MINUTES)
    if training.saving == "auto":
        return Auto(rank.job.failure_s, training.save_budget or BUDGET)
    return None


def _keep(training: Training) -> Keep | None:
    if training.save_total_limit is None:
        return None
    return Keep(
        training.save_total_limit, training.save_keep_every_steps, training.save_keep_best, training.higher_is_better
    )

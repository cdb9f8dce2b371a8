"""The commits of an attempt as a rank sees them: when, what, and what became of them."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from torch import distributed, nn

from launcher.checkpoint.destination import Destination
from launcher.checkpoint.interval import Auto, BackPressure, EveryMinutes, When
from launcher.checkpoint.outcome import Failed, Rescued
from launcher.checkpoint.retention import Keep
from launcher.checkpoint.saver import Saver
from launcher.interrupt.costs import SaveCosts
from launcher.interrupt.order import MARGIN_S, Order, decide
from launcher.recipe.training import Training
from launcher.track.tracks import Tracks
from launcher.train.agree import Agreement, Tally
from launcher.train.cadence import Moment, save_due
from launcher.train.desk import Left, Looping, Note
from launcher.train.ear import Ear
from launcher.train.feed import StepFeed
from launcher.train.loop import Loop
from launcher.train.milestones import Milestones
from launcher.train.rank import Rank
from launcher.train.resuming import Progress
from launcher.train.sentinel import horizon
from launcher.train.state.holdings import trained
from launcher.train.state.state import counters, take_state

MINUTES = 15.0
BUDGET = 0.01
AGREED_AFTER = 2
"""Steps after a save until all ranks know which are busy."""


class Saving:
    """Saves are decided alike on all ranks; the uploader behind commits them.

    Attributes:
        left: Whether training ended for an interruption.
    """

    def __init__(self, rank: Rank, loop: Loop, milestones: Milestones, saver: Saver, tracks: Tracks | None) -> None:
        self.left = False
        self._rank = rank
        self._loop = loop
        self._milestones = milestones
        self._saver = saver
        self._tracks = tracks
        self._ear = Ear(rank.desk) if rank.leads else None
        self._training = rank.job.recipe.training
        self._when = _when(self._training, rank)
        self._pressure = BackPressure()
        self._began, self._latest = time.monotonic(), loop.feed.step
        self._saved = -AGREED_AFTER - 1
        self._costs = SaveCosts(_expected_bytes(loop, rank), rank.seat.local_world)
        self._step = loop.feed.step
        self._deadline: float | None = None
        self._rescued: str | None = None

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
        return self._when.due(steps, seconds, self._costs.stall.latest, self._costs.upload.latest)

    @property
    def called(self) -> bool:
        """The leading rank hears for all."""
        return self._ear is not None and self._ear.heard is not None

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

    def save(self, now: Moment, data: StepFeed, *, rescue: bool = False) -> None:
        """Take a snapshot, and leave the rest to the uploader.

        Args:
            rescue: It goes to this machine's own disk, and into no commit.
        """
        if self._tracks is not None:
            self._tracks.flush()
        loop, best = self._loop, self._milestones.best
        state = Progress(
            step=now.step,
            last=now.last,
            cursor=data.cursor,
            counters=counters(loop.engine),
            skipped=loop.schedule.skipped,
            stopping=asdict(self._milestones.stopping),
            has_best=best is not None,
            global_batch=self._rank.job.batches.global_batch,
            ended=data.all_ended,
        )
        fragments = take_state(loop.engine, loop.model) + ([] if best is None else best.fragments())
        self._latest = self._saved = now.step
        self._began = time.monotonic()
        stall = self._saver.save(now.step, fragments, state.to_json(), self._milestones.metric, rescue=rescue)
        self._costs.stall.add(stall)

    def leave(self, after: tuple[Moment, StepFeed] | None, agreement: Agreement) -> None:
        """Keep what the time allows, as the leading rank decides for all."""
        self.left = True
        fresh = after is not None and after[0].step != self._saved
        told = self._leading_word(fresh) if self._rank.leads else [0.0, 0.0]
        number, left_s, busy = agreement.sum([*told, float(self.busy)])
        order = Order(int(number))
        self._deadline = None if left_s == math.inf else time.monotonic() + left_s
        self._step = self._latest if after is None else after[0].step
        self._emit(self._step, "interruption", order=order.name.lower(), **self._notice())
        if order is Order.RESCUE and busy:
            self._saver.rescue()
        elif order in (Order.SAVE, Order.RESCUE):
            assert after is not None
            while self._saver.busy:
                self._hear(seconds=1.0)
            self.save(*after, rescue=order is Order.RESCUE)
        elif order is Order.LEAVE:
            self._rank.tell(Note("no time is left to keep the latest steps: the newest commit stands"))

    def finish(self) -> None:
        """Wait until all ranks have heard of the last commit: the node's uploader ends with the first rank to leave.

        Where an interruption leaves too little time for a commit, the snapshot goes to this machine's own disk.
        """
        while self._saver.busy:
            left_s = math.inf if self._deadline is None else self._deadline - time.monotonic()
            if left_s < self._costs.now().disk_s + MARGIN_S:
                self._saver.rescue()
            self._hear(seconds=min(1.0, max(left_s / 10, 0.05)))
        self._hear()
        distributed.barrier()
        if self.left:
            self._rank.tell(Left(self._step, self._rescued))

    def close(self) -> None:
        """Hear no more."""
        if self._ear is not None:
            self._ear.close()

    def _notice(self) -> dict[str, str]:
        """What the leading rank heard, for the events that it alone writes."""
        heard = None if self._ear is None else self._ear.heard
        return {} if heard is None else {"notice": heard.kind, "why": heard.why}

    def _leading_word(self, fresh: bool) -> list[float]:
        """The order for all ranks, and the seconds that are left."""
        assert self._ear is not None
        notice, now = self._ear.heard, time.monotonic()
        assert notice is not None
        left_s = notice.seconds_left(now)
        flying_s = now - self._began if self._saver.busy else None
        order = decide(left_s, self._costs.now(), flying_s, fresh=fresh)
        return [float(order), math.inf if left_s is None else left_s]

    def _hear(self, seconds: float = 0.0) -> None:
        """What became of the last snapshot; raises RunOwned where another attempt has the run."""
        while (outcome := self._saver.poll(seconds)) is not None:
            seconds = 0.0
            if isinstance(outcome, Failed):
                self._rank.tell(Note(f"not saved  step {outcome.step}: {outcome.why}"))
                self._emit(outcome.step, "save-failed", why=outcome.why)
                continue
            if isinstance(outcome, Rescued):
                self._rescued = outcome.folder
                self._emit(outcome.step, "rescue", folder=outcome.folder)
                continue
            self._costs.upload.add(outcome.seconds)
            for note in outcome.notes:
                self._rank.tell(Note(note))
            told = {"bytes": outcome.size, "stall_s": self._costs.stall.latest, "upload_s": outcome.seconds}
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
        keep=_keep(rank.job.recipe.training, horizon(rank.job.recipe.sentinel)),
        rescue=rank.job.rescue,
    )
    saver = Saver(destination, rank.number, starts=rank.seat.local == 0)
    saving = Saving(rank, loop, milestones, saver, tracks)
    rank.tell(Looping(runs=True))
    try:
        yield saving
    finally:
        rank.tell(Looping(runs=False))
        saving.close()
        saver.close()


def _expected_bytes(loop: Loop, rank: Rank) -> float:
    """Of a rank's snapshot: weights and two moments in fp32, in equal shares."""
    return 12 * sum(_trained(loop.model).values()) / rank.world


def _trained(model: nn.Module) -> dict[str, int]:
    """Elements of each trained parameter; under ZeRO 3 the parameter itself is empty."""
    return {name: int(getattr(each, "ds_numel", each.numel())) for name, each in trained(model)}


def _when(training: Training, rank: Rank) -> When | None:
    if training.saving == "minutes":
        return EveryMinutes(training.save_minutes or MINUTES)
    if training.saving == "auto":
        return Auto(rank.job.failure_s, training.save_budget or BUDGET)
    return None


def _keep(training: Training, behind_steps: int) -> Keep | None:
    if training.save_total_limit is None:
        return None
    return Keep(
        training.save_total_limit,
        training.save_keep_every_steps,
        training.save_keep_best,
        training.higher_is_better,
        behind_steps,
    )

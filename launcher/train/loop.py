"""The training loop: agree, forward and backward, step, measure."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Protocol

import torch
from torch import nn

from launcher.data.batch import Batch
from launcher.data.packed_batch import PackedBatch
from launcher.train.agree import Agreement, Tally
from launcher.train.cadence import Moment
from launcher.train.engines.engine import Engine, Update
from launcher.train.feed import Feed, StepFeed
from launcher.train.loss import summed_loss
from launcher.train.meters import Countdown, Speedometer, peak_memory_gib
from launcher.train.noted import note_step
from launcher.train.schedule import Schedule
from launcher.train.seeds import seed_micro_batch
from launcher.train.step_record import StepRecord


@dataclass(frozen=True, slots=True)
class Loop:
    """Everything a step needs, on one rank."""

    model: nn.Module
    engine: Engine
    schedule: Schedule
    feed: Feed
    steps: int
    """Steps that are expected in all."""
    world: int
    seed: int
    device: torch.device
    flops_per_token: float | None
    """Known where the model's architecture is."""
    peak_flops: float | None
    """Operations a second of one device, where they are known."""


class Saving(Protocol):
    """What commits the state of training; asked and told on all ranks alike."""

    @property
    def busy(self) -> bool:
        """Whether the last snapshot is on its way from this rank."""

    @property
    def wished(self) -> bool:
        """Whether it is time to save by this rank's clock."""

    @property
    def called(self) -> bool:
        """Whether this rank has heard that training has to end now."""

    def due(self, now: Moment, agreed: Tally) -> bool:
        """Whether to save now."""

    def save(self, now: Moment, data: StepFeed) -> None:
        """Save; all records up to now are known. `data` are those of the step that has just run."""

    def leave(self, after: tuple[Moment, StepFeed] | None, agreement: Agreement) -> None:
        """Keep what can be kept, as no step follows; all records up to now are known.

        Args:
            after: As for `save`; None where no step has run.
        """


@dataclass(frozen=True, slots=True)
class Record:
    """What a step measured, and the moment after it."""

    measured: StepRecord
    moment: Moment


@dataclass(frozen=True, slots=True)
class _Done:
    """A step that has run and waits for the sum of its loss over the ranks."""

    moment: Moment
    tally: Tally
    update: Update
    learning_rate: float
    loss: float
    progress: float


def train(
    loop: Loop, after_step: Callable[[Moment], bool] = lambda now: False, saving: Saving | None = None
) -> Iterator[Record]:
    """Run every step until the last; the record of a step follows while a later one runs.

    Ranks agree on a step's label count while the step before it runs, and that same sum carries the loss of the
    step before that: no step waits for the network, and losses are known two steps late, or when the state is saved.

    An interruption ends it between two steps, on all ranks alike; then the last moment is not marked as the last.

    Args:
        after_step: Told of each step that has run, on all ranks alike; returns whether it is to be the last.
    """
    loop.model.train()
    agreement = Agreement()
    meters = _Meters(loop)
    waiting: deque[_Done | None] = deque()  # None where a record went out already
    latest: tuple[_Done, StepFeed] | None = None
    stop = False
    first = step = loop.feed.step
    try:
        ahead = loop.feed.next()
        agreement.propose(_tally(ahead, 0.0, saving))
        for step in count(first):
            agreed = agreement.collect()
            if step >= first + 2 and (known := waiting.popleft()) is not None:
                yield meters.record(known, agreed.loss)
            if not waiting and (stop or ahead is None) and step > first:
                return
            if agreed.called and saving is not None and ahead is not None and not stop:
                yield from _late(meters, agreement, waiting)
                saving.leave(None if latest is None else (latest[0].moment, latest[1]), agreement)
                return
            now, ahead = ahead, None if stop or ahead is None else loop.feed.next()
            agreement.propose(_tally(ahead, 0.0 if latest is None else latest[0].loss, saving))
            if now is None or stop:
                continue
            done = _step(loop, step, now, agreed, last=ahead is None)
            with meters.speedometer.paused():
                stop = after_step(done.moment)
            done = replace(done, moment=replace(done.moment, last=stop or ahead is None))
            latest = done, now
            waiting.append(done)
            if saving is not None and saving.due(done.moment, agreed):
                yield from _late(meters, agreement, waiting)
                waiting = deque([None] * len(waiting))
                with meters.speedometer.paused():
                    saving.save(done.moment, now)
    except Exception as error:
        note_step(error, step + 1)
        raise


def _late(meters: "_Meters", agreement: Agreement, waiting: Iterable[_Done | None]) -> Iterator[Record]:
    """Records of steps whose losses were not summed yet; all ranks call it together."""
    late = [each for each in waiting if each is not None]
    losses = agreement.sum([each.loss for each in late]) if late else []
    return (meters.record(each, loss) for each, loss in zip(late, losses, strict=True))


def _tally(feed: StepFeed | None, loss: float, saving: Saving | None) -> Tally:
    labels, tokens = (0, 0) if feed is None else (feed.label_tokens, feed.tokens)
    if saving is None:
        return Tally(labels, tokens, loss)
    return Tally(labels, tokens, loss, float(saving.busy), float(saving.wished), float(saving.called))


def _step(loop: Loop, step: int, feed: StepFeed, agreed: Tally, *, last: bool) -> _Done:
    learning_rate = loop.schedule.set(feed.position)
    share = accumulate(loop, step, feed, agreed.label_tokens)
    update = loop.engine.step()
    loss = float(share) * agreed.label_tokens  # read after the step: a device would stand still in between
    if not update.applied:
        loop.schedule.skipped += 1
    moment = Moment(step + 1, loop.steps, last=last, epoch_ended=bool(feed.ended))
    return _Done(moment, agreed, update, learning_rate, loss, feed.progress)


def accumulate(loop: Loop, step: int, feed: StepFeed, label_tokens: float) -> torch.Tensor:
    """Forward and backward of a step's micro-batches; returns this rank's share of the mean cross-entropy, in nats.

    Each loss is divided by the labels of the global batch and gradients are summed: the gradient is then that of
    the mean over all labels, whatever the number of ranks and micro-batches.
    """
    share = torch.zeros((), dtype=torch.float64, device=loop.device)
    for index, (first_pack, batch) in enumerate(feed.batches):
        seed_micro_batch(loop.seed, step, first_pack, loop.device)
        loss_of = partial(_share_of_mean, batch=batch.to(loop.device), label_tokens=label_tokens)
        share += loop.engine.accumulate(loss_of, last=index == len(feed.batches) - 1)
    return share


def _share_of_mean(model: nn.Module, *, batch: Batch | PackedBatch, label_tokens: float) -> torch.Tensor:
    return summed_loss(model, batch) / label_tokens


class _Meters:
    """Records of steps, as their losses become known."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._countdown = Countdown(loop.feed.progress)
        self.speedometer = Speedometer()

    def record(self, done: _Done, loss: float) -> Record:
        """The record of a step from its sum of losses over the ranks, in nats."""
        loop, utilisation = self._loop, None
        speed = self.speedometer.add(int(done.tally.tokens))
        if loop.flops_per_token is not None and loop.peak_flops is not None:
            utilisation = speed / loop.world * loop.flops_per_token / loop.peak_flops
        measured = StepRecord(
            step=done.moment.step,
            loss=loss / done.tally.label_tokens,
            learning_rate=done.learning_rate,
            grad_norm=done.update.grad_norm,
            tokens=int(done.tally.tokens),
            tokens_per_second=speed,
            mfu=utilisation,
            memory_gib=peak_memory_gib(loop.device),
            seconds_left=self._countdown.left(done.progress),
        )
        return Record(measured, done.moment)

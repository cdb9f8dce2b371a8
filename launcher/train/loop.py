"""The training loop: agree, forward and backward, step, measure."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from launcher.data.batch import Batch
from launcher.train.agree import Agreement, Tally
from launcher.train.engines.engine import Engine, Update
from launcher.train.feed import Feed, StepFeed
from launcher.train.loss import summed_loss
from launcher.train.meters import Speedometer, StepRecord, peak_memory_gib
from launcher.train.seeds import seed_micro_batch


@dataclass(frozen=True, slots=True)
class Loop:
    """Everything a step needs, on one rank."""

    model: nn.Module
    engine: Engine
    scheduler: LRScheduler
    feed: Feed
    steps: int
    world: int
    seed: int
    device: torch.device
    flops_per_token: float | None
    """Known where the model's architecture is."""
    peak_flops: float | None
    """Operations a second of one device, where they are known."""
    after_step: Callable[[int], bool]
    """Told of each step that has run, counted from 1, on all ranks alike; returns whether it is to be the last."""


@dataclass(frozen=True, slots=True)
class _Done:
    """A step that has run and waits for the sum of its loss over the ranks."""

    step: int
    """Counted from 1."""
    tally: Tally
    update: Update
    learning_rate: float
    loss: float


def train(loop: Loop) -> Iterator[StepRecord]:
    """Run every step until the last; the record of a step follows while a later one runs.

    Ranks agree on a step's label count while the step before it runs, and that same sum carries the loss of the
    step before that: no step waits for the network, and losses are known two steps late.
    """
    loop.model.train()
    agreement = Agreement()
    speedometer = Speedometer()
    started = time.monotonic()
    waiting: deque[_Done] = deque()
    latest_loss = 0.0
    ahead = loop.feed.step(0)
    agreement.propose(Tally(ahead.label_tokens, ahead.tokens, loss=0.0))
    steps = loop.steps
    for step in count():
        agreed = agreement.collect()
        if step >= 2:
            done = waiting.popleft()
            speed = speedometer.add(int(done.tally.tokens))
            yield _record(loop, done, agreed.loss, speed, (time.monotonic() - started) / done.step)
        if step > steps:
            return
        now, ahead = ahead, loop.feed.step(step + 1)
        agreement.propose(Tally(ahead.label_tokens, ahead.tokens, latest_loss))
        if step < steps:
            waiting.append(_step(loop, step, now, agreed))
            latest_loss = waiting[-1].loss
            with speedometer.paused():
                if loop.after_step(step + 1):
                    steps = step + 1


def _step(loop: Loop, step: int, feed: StepFeed, agreed: Tally) -> _Done:
    learning_rate = float(loop.scheduler.get_last_lr()[0])
    loss = accumulate(loop, step, feed, agreed.label_tokens)
    update = loop.engine.step()
    if update.applied:
        loop.scheduler.step()
    return _Done(step + 1, agreed, update, learning_rate, loss)


def accumulate(loop: Loop, step: int, feed: StepFeed, label_tokens: float) -> float:
    """Forward and backward of a step's micro-batches; returns this rank's summed cross-entropy in nats.

    Each loss is divided by the labels of the global batch and gradients are summed: the gradient is then that of
    the mean over all labels, whatever the number of ranks and micro-batches.
    """
    share = torch.zeros((), dtype=torch.float64, device=loop.device)
    for index, (first_row, batch) in enumerate(feed.batches):
        seed_micro_batch(loop.seed, step, first_row)
        loss_of = partial(_share_of_mean, batch=batch.to(loop.device), label_tokens=label_tokens)
        share += loop.engine.accumulate(loss_of, last=index == len(feed.batches) - 1)
    return float(share) * label_tokens


def _share_of_mean(model: nn.Module, *, batch: Batch, label_tokens: float) -> torch.Tensor:
    return summed_loss(model, batch) / label_tokens


def _record(loop: Loop, done: _Done, loss: float, speed: float, seconds_a_step: float) -> StepRecord:
    """The record of a step from its sum of losses over the ranks, in nats."""
    utilisation = None
    if loop.flops_per_token is not None and loop.peak_flops is not None:
        utilisation = speed / loop.world * loop.flops_per_token / loop.peak_flops
    return StepRecord(
        step=done.step,
        loss=loss / done.tally.label_tokens,
        learning_rate=done.learning_rate,
        grad_norm=done.update.grad_norm,
        tokens=int(done.tally.tokens),
        tokens_per_second=speed,
        mfu=utilisation,
        memory_gib=peak_memory_gib(loop.device),
        seconds_left=seconds_a_step * (loop.steps - done.step),
    )

"""PyTorch's DistributedDataParallel: every rank holds everything."""

import math
from contextlib import nullcontext

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from launcher.model.precision import autocast
from launcher.recipe.training import Training
from launcher.train.engines.engine import LossOf, Update
from launcher.train.state.holdings import Holdings
from launcher.train.state.loss_scale import ScalerCounts
from launcher.train.state.replicated import Replicated

ORDER_MATTERS_FROM = 3
"""Ranks from which on a sum depends on where a gradient lies in its bucket."""


class DdpEngine:
    """DDP around a model and its optimiser; forward passes are autocast where precision is not fp32.

    In fp16 losses are scaled up by a factor that adapts. In any precision a step whose gradients are not finite is left
    out: their norm is that of the sum over the ranks, so all leave out the same one.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, training: Training) -> None:
        device = next(model.parameters()).device
        self._model = DistributedDataParallel(
            model, device_ids=[device.index] if device.type == "cuda" else None, gradient_as_bucket_view=True
        )
        self._model.register_comm_hook(None, _sum_over_ranks)
        self._autocast = autocast(training.precision, device)
        self._scaler = torch.amp.GradScaler(device.type, enabled=training.precision == "fp16")
        self._optimizer = optimizer
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._max_grad_norm = training.max_grad_norm if training.max_grad_norm is not None else float("inf")
        self._settled = distributed.get_world_size() < ORDER_MATTERS_FROM

    def accumulate(self, loss_of: LossOf, *, last: bool) -> torch.Tensor:
        if not self._settled:
            self._settle(loss_of)
            self._settled = True
        with nullcontext() if last else self._model.no_sync():
            with self._autocast:
                loss = loss_of(self._model)
            self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self) -> Update:
        scale = self._scaler.get_scale()
        self._scaler.unscale_(self._optimizer)
        norm = nn.utils.clip_grad_norm_(self._trained, self._max_grad_norm).item()
        finite = math.isfinite(norm)
        if finite:
            self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
        return Update(norm, applied=finite and self._scaler.get_scale() >= scale)

    def holdings(self) -> Holdings:
        return Replicated(self._optimizer, ScalerCounts(self._scaler))

    def _settle(self, loss_of: LossOf) -> None:
        """Let DDP lay out its buckets anew before the first step, as it does after the first backward pass.

        Otherwise the first step of an attempt would sum in another order than the same step of a run that went on.
        """
        device = self._trained[0].device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            for _ in range(2):
                with self._autocast:
                    loss = loss_of(self._model)
                (loss * 0.0).backward()  # type: ignore[no-untyped-call]
        self._optimizer.zero_grad()


def _sum_over_ranks(
    state: None,
    bucket: distributed.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[torch.Tensor]:
    """DDP's reduction without its division: a loss scaled up by the ranks and averaged again is rounded otherwise."""
    work = distributed.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    summed: torch.futures.Future[torch.Tensor] = work.get_future().then(lambda future: future.value()[0])
    return summed

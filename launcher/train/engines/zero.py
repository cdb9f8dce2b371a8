"""DeepSpeed ZeRO: ranks share optimiser states, gradients and, at stage 3, parameters."""

import math

import deepspeed
import torch
from torch import distributed, nn

from launcher.model.zero import zero_config
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.training import Training
from launcher.train.engines.engine import LossOf, Update
from launcher.train.state.deepspeed_internals import check_internals, leave_out_step, undo_first_step, zero_holdings
from launcher.train.state.holdings import Holdings


class ZeroEngine:
    """A DeepSpeed engine whose accumulation boundary the caller sets, as steps may differ in micro-batches."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, strategy: DeepSpeed, training: Training
    ) -> None:
        self._stage = strategy.zero_stage
        # DeepSpeed leaves out steps that are not finite, but for stage 0 without its own fp16
        self._unguarded = self._stage == 0 and training.precision != "fp16"
        trained = sum(getattr(each, "ds_numel", each.numel()) for each in model.parameters() if each.requires_grad)
        self._engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=optimizer,
            config=zero_config(strategy, training, next(model.parameters()).device, trained),
            dist_init_required=False,
        )
        check_internals(self._engine, self._stage)
        undo_first_step(self._engine, self._stage)

    def accumulate(self, loss_of: LossOf, *, last: bool) -> torch.Tensor:
        self._engine.set_gradient_accumulation_boundary(last)
        loss = loss_of(self._engine)
        self._engine.backward(loss * distributed.get_world_size(), scale_wrt_gas=False)  # DeepSpeed averages
        if not last:
            self._engine.step()
        return loss.detach()

    def step(self) -> Update:
        norm = self._norm() if self._stage == 0 else None  # stage 0 clips without telling the norm
        if self._unguarded and norm is not None and not math.isfinite(norm):
            leave_out_step(self._engine)
            return Update(float(norm), applied=False)
        self._engine.step()
        norm = self._engine.get_global_grad_norm() if norm is None else norm
        return Update(float(norm), applied=bool(self._engine.was_step_applied()))

    def holdings(self) -> Holdings:
        return zero_holdings(self._engine, self._stage)

    def _norm(self) -> torch.Tensor:
        gradients = [parameter.grad for parameter in self._engine.module.parameters() if parameter.grad is not None]
        return nn.utils.get_total_norm(gradients)

"""What the loop asks of a strategy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from launcher.train.state.holdings import Holdings

LossOf = Callable[[nn.Module], torch.Tensor]
"""Runs the forward pass of one micro-batch through the model it is given: a scalar loss."""


@dataclass(frozen=True, slots=True)
class Update:
    """One optimiser step: the global gradient norm before clipping, and whether the weights were changed."""

    grad_norm: float
    applied: bool


class Engine(Protocol):
    """Gradients and updates over all ranks; every rank calls each method the same number of times."""

    def accumulate(self, loss_of: LossOf, *, last: bool) -> torch.Tensor:
        """Forward and backward of one micro-batch; on the `last` of a step gradients are summed over the ranks.

        Returns the loss, detached.
        """

    def step(self) -> Update:
        """Clip, change the weights, forget the gradients."""

    def holdings(self) -> Holdings:
        """Where weights and the optimiser's memory are, for checkpoints."""

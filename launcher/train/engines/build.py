"""The engine of a recipe's strategy."""

import torch
from torch import nn

from launcher.model.load import PRECISIONS
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed
from launcher.train.engines.engine import Engine


def build_engine(recipe: Recipe, model: nn.Module, optimizer: torch.optim.Optimizer) -> Engine:
    """An engine around `model` and `optimizer`, in the process group that is already there."""
    clip, compute = recipe.training.max_grad_norm, PRECISIONS[recipe.training.precision]
    if isinstance(recipe.strategy, DeepSpeed):
        from launcher.train.engines.ops import choose_accelerator

        choose_accelerator(next(model.parameters()).device.type)
        from launcher.train.engines.zero import ZeroEngine

        stage = recipe.strategy.zero_stage
        return ZeroEngine(model, optimizer, stage=stage, max_grad_norm=clip, compute=compute)
    from launcher.train.engines.ddp import DdpEngine

    return DdpEngine(model, optimizer, max_grad_norm=clip, compute=compute)

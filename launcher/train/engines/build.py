"""The engine of a recipe's strategy."""

import torch
from torch import nn

from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import Ddp, DeepSpeed
from launcher.train.engines.engine import Engine


def build_engine(recipe: Recipe, model: nn.Module, optimizer: torch.optim.Optimizer) -> Engine:
    """An engine around `model` and `optimizer`, in the process group that is already there."""
    if isinstance(recipe.strategy, DeepSpeed):
        from launcher.train.engines.zero import ZeroEngine

        return ZeroEngine(model, optimizer, recipe.strategy, recipe.training)
    assert isinstance(recipe.strategy, Ddp), "the plan settles what is left open"
    from launcher.train.engines.ddp import DdpEngine

    return DdpEngine(model, optimizer, recipe.training)

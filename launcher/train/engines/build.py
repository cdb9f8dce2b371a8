"""The engine of a recipe's strategy."""

import torch
from torch import nn

from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed
from launcher.train.engines.engine import Engine
from launcher.train.state.refusal import state_refusal


def build_engine(recipe: Recipe, model: nn.Module, optimizer: torch.optim.Optimizer) -> Engine:
    """An engine around `model` and `optimizer`, in the process group that is already there.

    Raises:
        InvalidInput: what it trains could not be resumed.
    """
    refusal = state_refusal(recipe.training.optim, recipe.strategy.key)
    if refusal is not None:
        raise InvalidInput(f"training.optim: {refusal}")
    if isinstance(recipe.strategy, DeepSpeed):
        from launcher.train.engines.zero import ZeroEngine

        return ZeroEngine(model, optimizer, recipe.strategy, recipe.training)
    from launcher.train.engines.ddp import DdpEngine

    return DdpEngine(model, optimizer, recipe.training)

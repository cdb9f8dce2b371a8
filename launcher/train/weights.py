"""Trained weights gathered to be stored."""

from typing import TYPE_CHECKING

import torch

from launcher.recipe.strategy import DeepSpeed, Strategy

if TYPE_CHECKING:
    from launcher.model.adapt import TrainableModel


def gathered_weights(model: "TrainableModel", strategy: Strategy, *, keep: bool) -> dict[str, torch.Tensor] | None:
    """Weights that ZeRO 3 partitions, one after the other made whole and copied to the CPU; all ranks call it together.

    Args:
        keep: Whether this rank wants them; others get an empty dict.

    Returns:
        None where weights are whole already.
    """
    if not (isinstance(strategy, DeepSpeed) and strategy.partitions_parameters):
        return None
    import deepspeed

    adapters = any(not parameter.requires_grad for parameter in model.parameters())
    whole: dict[str, torch.Tensor] = {}
    for name, parameter in model.named_parameters():
        if adapters and not parameter.requires_grad:
            continue
        with deepspeed.zero.GatheredParameters([parameter]):
            if keep:
                whole[name] = parameter.detach().to("cpu", copy=True)
    return whole

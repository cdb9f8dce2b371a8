"""Trained weights outside the optimiser: gathered to be stored, and kept to be put back."""

from typing import TYPE_CHECKING

import torch
from torch import nn

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


class KeptWeights:
    """A copy of this rank's trained weights in host memory: the whole of them, or its share under ZeRO 3."""

    def __init__(self, model: nn.Module) -> None:
        self._copies = [
            (tensor, tensor.detach().to("cpu", copy=True))
            for parameter in model.parameters()
            if parameter.requires_grad
            for tensor in _storage(parameter)
        ]

    @torch.no_grad()
    def restore(self) -> None:
        """Put the weights back where they were; optimiser states stay as they are."""
        for tensor, copy in self._copies:
            tensor.copy_(copy)


def _storage(parameter: nn.Parameter) -> list[torch.Tensor]:
    """What holds a parameter's elements on this rank; small ones under ZeRO 3 are there whole and as a share."""
    share = getattr(parameter, "ds_tensor", None)
    whole = [parameter.data] if parameter.numel() else []
    return whole if share is None else [*whole, share]

"""A model's trained weights out of a checkpoint, whichever ranks of whatever strategy wrote it."""

import torch
from torch import nn

from launcher.checkpoint.fragment import WEIGHT, Slot
from launcher.checkpoint.restore import Checkpoint
from launcher.errors import InvalidInput


@torch.no_grad()
def fill(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Put the weights of a checkpoint in place of a model's own; it was made and adapted as the run's was.

    Raises:
        InvalidInput: the checkpoint is of another model or method.
        Damaged: the checkpoint does not have what it says.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    stored = {slot.parameter for slot in checkpoint.pieces if slot.name == WEIGHT}
    if odd := sorted(trained.keys() ^ stored):
        there, here = ("holds", "does not train") if odd[0] in stored else ("lacks", "trains")
        raise InvalidInput(
            f"{checkpoint.commit.checkpoint} {there} {odd[0]}, which the recipe's model {here}; "
            "was the base put in place by another?"
        )
    for name, parameter in trained.items():
        slot = Slot(name, WEIGHT)
        if checkpoint.total(slot) != parameter.numel():
            raise InvalidInput(
                f"{checkpoint.commit.checkpoint} has {checkpoint.total(slot):,} elements of {name}, and the recipe's "
                f"model {parameter.numel():,}; was the base put in place by another?"
            )
        parameter.copy_(checkpoint.read(slot, 0, parameter.numel()).view_as(parameter))

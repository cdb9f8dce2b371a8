"""What an optimiser remembers, whichever it is: tensors for each weight, and how many steps it took."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

CONSTANTS = ("qmap1", "qmap2")
"""bitsandbytes' tables of what its 8-bit codes mean: the same for every weight, and never changed."""


def moments(state: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of one weight by their names, such as `exp_avg`.

    Left out are the count of steps, which is the same for all weights, and Adafactor's `RMS`, which every step works
    out anew.
    """
    for name, value in state.items():
        if isinstance(value, torch.Tensor) and value.dim() > 0 and name not in CONSTANTS:
            yield name, value


def make_moments(optimizer: torch.optim.Optimizer) -> None:
    """Make what the optimiser makes no sooner than in its first step, unless it is there.

    It takes a step of zero gradients at a rate of zero, which moves no weight and is not counted. So its own code
    decides what there is to remember: Adafactor by shape, bitsandbytes by size and by overrides.
    """
    if any(optimizer.state.values()):
        return
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    rates = [group["lr"] for group in optimizer.param_groups]
    gradients = [weight.grad for weight in weights]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    set_steps(optimizer, 0)


def steps(optimizer: torch.optim.Optimizer) -> int:
    """Steps that the optimiser counts; 0 where it does not, as SGD."""
    counted = {int(state["step"]) for state in optimizer.state.values() if "step" in state}
    assert len(counted) <= 1, f"weights of one optimiser took different numbers of steps: {sorted(counted)}"
    return counted.pop() if counted else 0


def set_steps(optimizer: torch.optim.Optimizer, count: int) -> None:
    """Make the optimiser count `count` steps: torch keeps a tensor, transformers and bitsandbytes an int."""
    for state in optimizer.state.values():
        if isinstance(state.get("step"), torch.Tensor):
            state["step"].fill_(count)
        elif "step" in state:
            state["step"] = count

"""A stretch of one of a run's states: what a rank holds of it, and what it is a part of."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

WEIGHT = "weight"
"""The slot of a parameter's own elements; others are named as the optimiser names them, such as `exp_avg`."""


class Slot(NamedTuple):
    """One state of one parameter."""

    parameter: str
    """As the model names it."""
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """Elements `offset` to `offset + len(values)` of a state that has `total` elements when laid flat."""

    slot: Slot
    offset: int
    total: int
    values: torch.Tensor
    """(elements,), contiguous; fp32 wherever the optimiser computes in it."""

"""What the state of a strategy looks like from outside: fragments that are views, and a few numbers."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import nn

from launcher.checkpoint.fragment import Fragment

Counters = dict[str, int | float]
"""Numbers that belong to the whole run; JSON holds them exactly."""


class Counts(Protocol):
    """An engine's own numbers: the loss scale of fp16, and what it counts."""

    def read(self) -> Counters: ...

    def write(self, counters: Counters) -> None:
        """Take up what another strategy may have written: numbers that are not there stay as they are."""


class Holdings(Protocol):
    """Where a strategy keeps trained weights and what its optimiser remembers of them."""

    @property
    def replicated(self) -> bool:
        """Whether every rank holds all of it; else each holds a part that no other has."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The one that remembers, inside whatever is around it."""

    @property
    def counts(self) -> Counts: ...

    def reached(self) -> AbstractContextManager[None]:
        """For as long as it lasts, the optimiser's groups name every weight that it steps."""

    def fragments(self, model: nn.Module) -> Iterator[Fragment]:
        """All that this rank holds, as views: what is written to them is held."""

    def prepare(self) -> None:
        """Free what is worked out of the weights, before they are written; all ranks together."""

    def spread(self) -> None:
        """Bring weights that were written to where forward passes take them from; all ranks together."""


def trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters with a gradient, by the model's names; tied ones once, by the first."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)

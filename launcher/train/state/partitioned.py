"""Strategies under which each rank steps its own part of flat fp32 weights: ZeRO 1 to 3."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from launcher.checkpoint.fragment import WEIGHT, Fragment, Slot
from launcher.train.state.holdings import Counts, trained
from launcher.train.state.moments import moments


@dataclass(frozen=True, slots=True)
class Place:
    """Where the part of a parameter that a rank steps lies in one of its flat weights."""

    flat: torch.Tensor
    start: int
    """In `flat`."""
    offset: int
    """In the whole parameter."""
    length: int


class Partitions(Protocol):
    """How a ZeRO stage divides parameters among the ranks."""

    @property
    def optimizer(self) -> torch.optim.Optimizer: ...

    def total(self, parameter: nn.Parameter) -> int:
        """Elements of the whole parameter."""

    def place(self, parameter: nn.Parameter) -> Place | None:
        """None where this rank steps nothing of it."""

    def reached(self) -> AbstractContextManager[None]: ...

    def prepare(self) -> None: ...

    def spread(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Partitioned:
    partitions: Partitions
    counts: Counts
    replicated: bool = False

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        return self.partitions.optimizer

    def reached(self) -> AbstractContextManager[None]:
        return self.partitions.reached()

    def fragments(self, model: nn.Module) -> Iterator[Fragment]:
        for name, parameter in trained(model):
            place = self.partitions.place(parameter)
            if place is None:
                continue
            total = self.partitions.total(parameter)
            states = [(WEIGHT, place.flat.detach()), *moments(self.optimizer.state.get(place.flat, {}))]
            for slot, flat in states:
                assert flat.shape == place.flat.shape, f"{slot} has no element for each one of a flat weight"
                values = flat.narrow(0, place.start, place.length)
                yield Fragment(Slot(name, slot), place.offset, total, values)

    def prepare(self) -> None:
        self.partitions.prepare()

    @torch.no_grad()
    def spread(self) -> None:
        self.partitions.spread()

"""Strategies under which every rank holds everything: DDP and ZeRO 0."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import nn

from launcher.checkpoint.fragment import WEIGHT, Fragment, Slot
from launcher.train.state.holdings import Counts, trained
from launcher.train.state.moments import moments


@dataclass(frozen=True, slots=True)
class Replicated:
    optimizer: torch.optim.Optimizer
    counts: Counts
    masters: Mapping[nn.Parameter, torch.Tensor] = field(default_factory=dict)
    """The fp32 weight that the optimiser steps in place of a model's 16-bit parameter."""
    replicated: bool = True

    def reached(self) -> nullcontext[None]:
        return nullcontext()

    def fragments(self, model: nn.Module) -> Iterator[Fragment]:
        for name, parameter in trained(model):
            weight = self.masters.get(parameter, parameter)
            yield _whole(Slot(name, WEIGHT), weight.detach())
            for slot, tensor in moments(self.optimizer.state.get(weight, {})):
                yield _whole(Slot(name, slot), tensor)

    def prepare(self) -> None:
        """Nothing is worked out of the weights."""

    @torch.no_grad()
    def spread(self) -> None:
        for parameter, master in self.masters.items():
            parameter.copy_(master)


def _whole(slot: Slot, tensor: torch.Tensor) -> Fragment:
    return Fragment(slot, offset=0, total=tensor.numel(), values=tensor.view(-1))


def shared_out(fragments: Sequence[Fragment], rank: int, world: int) -> list[Fragment]:
    """What one of `world` ranks is to write of what all hold: equally many elements each, give or take one.

    The fragments are laid end to end and cut `world` - 1 times, so that most stay whole.
    """
    total = sum(len(fragment.values) for fragment in fragments)
    first, end = total * rank // world, total * (rank + 1) // world
    share, place = [], 0
    for fragment in fragments:
        count = len(fragment.values)
        low, high = max(first - place, 0), min(end - place, count)
        if low < high:
            share.append(Fragment(fragment.slot, fragment.offset + low, fragment.total, fragment.values[low:high]))
        place += count
    return share

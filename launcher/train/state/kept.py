"""A copy of the best weights, which goes into every checkpoint and comes back with it."""

from collections.abc import Iterable

import torch
from torch import distributed, nn

from launcher.checkpoint.fragment import WEIGHT, Fragment, Slot
from launcher.train.engines.engine import Engine
from launcher.train.state.replicated import shared_out
from launcher.train.state.state import Read

BEST = "best_weight"
"""Its slot in a checkpoint."""


class KeptWeights:
    """What this rank holds of some weights, in host memory."""

    def __init__(self, engine: Engine, copies: Iterable[Fragment]) -> None:
        self._engine = engine
        self._copies = list(copies)

    @classmethod
    def copy(cls, engine: Engine, model: nn.Module) -> "KeptWeights":
        """As they are now."""
        return cls(engine, (_best(each, each.values.to("cpu", copy=True)) for each in _weights(engine, model)))

    @classmethod
    def read(cls, engine: Engine, model: nn.Module, read: Read) -> "KeptWeights":
        """As a checkpoint has them."""
        held = list(_weights(engine, model))
        wanted = [(each, Slot(each.slot.parameter, BEST)) for each in held]
        return cls(engine, (_best(each, read(slot, each.offset, len(each.values))) for each, slot in wanted))

    def fragments(self) -> list[Fragment]:
        """What this rank is to write of it."""
        if self._engine.holdings().replicated:
            return shared_out(self._copies, distributed.get_rank(), distributed.get_world_size())
        return self._copies

    @torch.no_grad()
    def restore(self, model: nn.Module) -> None:
        """Put the weights back; what the optimiser remembers stays. All ranks call it together."""
        holdings = self._engine.holdings()
        holdings.prepare()
        for held, kept in zip(_weights(self._engine, model), self._copies, strict=True):
            assert (held.slot.parameter, held.offset) == (kept.slot.parameter, kept.offset)
            held.values.copy_(kept.values)
        holdings.spread()


def _weights(engine: Engine, model: nn.Module) -> Iterable[Fragment]:
    return (each for each in engine.holdings().fragments(model) if each.slot.name == WEIGHT)


def _best(fragment: Fragment, values: torch.Tensor) -> Fragment:
    return Fragment(Slot(fragment.slot.parameter, BEST), fragment.offset, fragment.total, values)

"""The state of training out of an engine as fragments, and back into one of any strategy and number of ranks.

A checkpoint holds fp32 weights and what the optimiser remembers, by parameter and element. So resharding is reading
other slices: what N ranks wrote under one strategy, M ranks read under another.
"""

from collections.abc import Callable, Mapping

import torch
from torch import distributed, nn

from launcher.checkpoint.fragment import Fragment, Slot
from launcher.errors import InvalidInput
from launcher.train.engines.engine import Engine
from launcher.train.state.holdings import Counters, Holdings
from launcher.train.state.moments import make_moments, set_steps, steps
from launcher.train.state.replicated import shared_out

Read = Callable[[Slot, int, int], torch.Tensor]
"""Elements `offset` to `offset + length` of a whole state: (length,), of the type it was taken in, on any device."""


def take_state(engine: Engine, model: nn.Module) -> list[Fragment]:
    """What this rank is to write, without a word to the others; all ranks' together are every state exactly once.

    Of each trained parameter: the weight, in fp32, and all that the optimiser remembers of it. Values are views of
    what the next step changes: copy them before it. Call it between steps.
    """
    holdings = engine.holdings()
    held = _held(holdings, model)
    if holdings.replicated:
        return shared_out(held, distributed.get_rank(), distributed.get_world_size())
    return held


@torch.no_grad()
def put_state(engine: Engine, model: nn.Module, read: Read) -> None:
    """Fill this rank's weights and the optimiser's memory from whole states; all ranks call it together.

    The engine may be new, or have trained. Steps are counted elsewhere: see `put_counters`.
    """
    holdings = engine.holdings()
    holdings.prepare()
    for fragment in _held(holdings, model):
        values = read(fragment.slot, fragment.offset, len(fragment.values))
        assert values.shape == fragment.values.shape, f"{fragment.slot}: {values.shape} is no {fragment.values.shape}"
        fragment.values.copy_(values)
    holdings.spread()


def check_fits(engine: Engine, model: nn.Module, stored: Mapping[Slot, int]) -> None:
    """Refuse states that `put_state` could not fill this rank from.

    Args:
        stored: Elements of each whole state that there is.

    Raises:
        InvalidInput: another model, method or optimiser wrote them.
    """
    wanted = {fragment.slot: fragment.total for fragment in _held(engine.holdings(), model)}
    for slot, total in wanted.items():
        if stored.get(slot) == total:
            continue
        found = f"has {stored[slot]:,}" if slot in stored else "has none"
        raise InvalidInput(
            f"checkpoint: {slot.name} of {slot.parameter} needs {total:,} elements, and the checkpoint {found}; "
            "resume with the model, method and training.optim that wrote it, or start under another --run-id"
        )


def counters(engine: Engine) -> Counters:
    """The numbers that go with the fragments, the same on all ranks: steps, DeepSpeed's counts, loss scale."""
    holdings = engine.holdings()
    return {"optimizer_steps": steps(holdings.optimizer), **holdings.counts.read()}


def put_counters(engine: Engine, read: Counters) -> None:
    """Put back what `counters` told, under any strategy, after `put_state`."""
    holdings = engine.holdings()
    set_steps(holdings.optimizer, int(read["optimizer_steps"]))
    holdings.counts.write(read)


def _held(holdings: Holdings, model: nn.Module) -> list[Fragment]:
    with holdings.reached(), torch.enable_grad():
        make_moments(holdings.optimizer)
    return list(holdings.fragments(model))

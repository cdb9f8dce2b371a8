"""Bytes that a rank really holds, by the names of the plan's terms."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from launcher.checkpoint.fragment import WEIGHT
from launcher.recipe.strategy import DeepSpeed
from launcher.train.state.state import take_state
from tests.train.state.cells import Cell, Run, start

Sizes = dict[str, int]


def measure(rank: int, world: int, cells: list[Cell], base: str) -> list[Sizes]:
    """Take one step of each cell: bytes of weights, adapters, gradients, masters and moments of this rank."""
    return [_measure(cell, base) for cell in cells]


def _measure(cell: Cell, base: str) -> Sizes:
    run = start(cell, base)
    accumulated: list[int] = []
    for weight in run.model.parameters():
        if weight.requires_grad:
            weight.register_post_accumulate_grad_hook(partial(_note_gradient, accumulated))
    run.engine.accumulate(partial(_loss, ids=torch.randint(0, 200, (2, 16))), last=True)
    sizes = _gradients(run, cell, sum(accumulated))
    run.engine.step()
    adapters = [each for name, each in run.model.named_parameters() if "lora_" in name]
    rest = [each for name, each in run.model.named_parameters() if "lora_" not in name]
    sizes |= {"adapters": _bytes(_held(adapters)), "model": _bytes([*_held(rest), *_constants(run.model)])}
    weights = {each.untyped_storage().data_ptr() for each in _held(run.model.parameters())}
    state = take_state(run.engine, run.model)
    stepped = [fragment.values for fragment in state if fragment.slot.name == WEIGHT]
    sizes["masters"] = _bytes(each for each in stepped if each.untyped_storage().data_ptr() not in weights)
    optimizer = run.engine.holdings().optimizer
    states = [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    sizes["moments"] = _bytes(states)
    return sizes


def _note_gradient(noted: list[int], weight: torch.Tensor) -> None:
    if weight.grad is not None:
        noted.append(weight.grad.nbytes)


def _loss(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    total: torch.Tensor = model(input_ids=ids).logits.float().logsumexp(-1).sum() / 1000
    return total


def _held(weights: Iterable[Any]) -> list[torch.Tensor]:
    """ZeRO 3 leaves a parameter empty, unless it is small, and keeps its share beside it."""
    held = []
    for weight in weights:
        held += [weight.data] if weight.numel() else []
        held += [weight.ds_tensor] if hasattr(weight, "ds_tensor") else []
    return held


def _constants(model: nn.Module) -> list[torch.Tensor]:
    """What bitsandbytes keeps beside quantised weights, the 8-bit scales among them."""
    found: list[Any] = []
    for weight in model.parameters():
        quantised = getattr(weight, "quant_state", None)
        if quantised is not None:
            nested = quantised.state2
            found += [quantised.absmax, quantised.code, quantised.offset]
            found += [nested.absmax, nested.code] if nested is not None else []
        found.append(getattr(weight, "SCB", None))
    found += [state.SCB for module in model.modules() if (state := getattr(module, "state", None)) is not None]
    return [each for each in found if isinstance(each, torch.Tensor)]


def _gradients(run: Run, cell: Cell, accumulated: int) -> Sizes:
    """Gradients of the last backward pass, on the device and, where they are offloaded, on the host in fp32."""
    if not isinstance(cell.strategy, DeepSpeed) or cell.strategy.zero_stage == 0:
        return {"gradients": _bytes(weight.grad for weight in run.model.parameters() if weight.grad is not None)}
    zero: Any = run.engine._engine.optimizer  # type: ignore[attr-defined]
    if cell.strategy.zero_stage == 3:
        flat = zero.fp32_partitioned_groups_flat
        sizes = {"gradients": zero.grad_partitions_flat_buffer.nbytes}
    else:
        flat = zero.single_partition_of_fp32_groups
        shares = [gradient for group in zero.averaged_gradients.values() for gradient in group or []]
        sizes = {"gradients": accumulated if cell.strategy.zero_stage == 1 else sum(each.nbytes for each in shares)}
    if cell.strategy.offload_optimizer:
        sizes["fp32 gradients"] = _bytes(each.grad for each in flat if each.grad is not None)
        if cell.strategy.zero_stage < 3:
            del sizes["gradients"]
    return sizes


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Each storage once."""
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors}
    return sum(storages.values())

"""World size and accumulation never change the gradient."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from launcher.train.loop import accumulate
from tests.packs import collate
from tests.train.ranks import examples, loop_of, on_ranks, rank_of, recipe, tiny_llama

ROWS = 19  # with 4 micro-batches on 2 and on 3 ranks, some rank runs out of rows before the others


@dataclass(frozen=True)
class Cell:
    strategy: Strategy
    dtype: torch.dtype
    accumulation: int
    tolerance: float
    """Largest relative difference."""


DDP, ZERO2 = Ddp(kind="ddp"), DeepSpeed(kind="deepspeed", zero_stage=2)
CELLS = [
    Cell(DDP, torch.float64, accumulation=1, tolerance=1e-10),
    Cell(DDP, torch.float64, accumulation=4, tolerance=1e-10),
    Cell(ZERO2, torch.float32, accumulation=1, tolerance=1e-5),
    Cell(ZERO2, torch.float32, accumulation=4, tolerance=1e-5),
]
Gradients = dict[str, torch.Tensor]


def gradients_on(rank: int, world: int, folder: Path) -> dict[Cell, Gradients]:
    """Every gradient after one step's micro-batches, through the loop's own code, in every cell."""
    return {cell: gradients(cell, rank, world, folder) for cell in CELLS}


def gradients(cell: Cell, rank: int, world: int, folder: Path) -> Gradients:
    micro = -(-ROWS // world // cell.accumulation)
    training = Training(per_device_train_batch_size=micro, global_batch_size=ROWS, max_steps=1, max_grad_norm=None)
    me = rank_of(rank, world, recipe(training, cell.strategy), ROWS, folder)
    model, rows = tiny_llama(cell.dtype), examples(ROWS)
    loop = loop_of(me, model, rows)
    feed = loop.feed.next()
    assert len(feed.batches) == cell.accumulation
    accumulate(loop, 0, feed, sum(row.label_tokens for row in rows))
    if cell.strategy == ZERO2:
        from deepspeed.utils import safe_get_full_grad

        return {name: safe_get_full_grad(parameter).clone() for name, parameter in model.named_parameters()}
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def one_large_batch(dtype: torch.dtype) -> Gradients:
    """Gradients of the mean cross-entropy over all labels, by PyTorch alone."""
    model, batch = tiny_llama(dtype), collate(examples(ROWS), pad_id=0)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten().long()).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def largest_difference(found: Gradients, expected: Gradients) -> float:
    """The largest relative difference of any parameter's gradient, by norms."""
    assert found.keys() == expected.keys()
    return max(float((found[name] - expected[name]).norm() / expected[name].norm()) for name in expected)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_and_accumulation_give_the_gradient_of_one_large_batch(tmp_path: Path, world: int) -> None:
    expected = {dtype: one_large_batch(dtype) for dtype in (torch.float32, torch.float64)}
    for found in on_ranks(world, tmp_path, gradients_on, tmp_path):
        for cell in CELLS:
            difference = largest_difference(found[cell], expected[cell.dtype])
            print(f"{world} ranks, {cell.strategy.key}, accumulation {cell.accumulation}: {difference:.1e}")
            assert difference <= cell.tolerance


def test_the_comparison_can_fail() -> None:
    expected = one_large_batch(torch.float64)
    doubled = {name: gradient * (1 + 1e-9) for name, gradient in expected.items()}
    assert largest_difference(doubled, expected) > 1e-10

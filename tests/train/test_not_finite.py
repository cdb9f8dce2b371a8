"""A step whose gradients are not finite is left out on every rank, whatever the strategy and precision."""

import math
from typing import Any

import pytest
import torch

from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from launcher.train.engines.build import build_engine
from launcher.train.optimizer import make_optimizer
from tests.train import ranks

WORLD = 2
PRECISIONS = ("fp32", "bf16")
STRATEGIES: list[Strategy] = [
    Ddp(kind="ddp"),
    *(DeepSpeed(kind="deepspeed", zero_stage=stage) for stage in (0, 1, 2)),
    DeepSpeed(kind="deepspeed", zero_stage=3, param_persistence_threshold=0),
]


def weights(model: torch.nn.Module) -> list[float]:
    from deepspeed import zero

    found = []
    for parameter in model.parameters():
        with zero.GatheredParameters([parameter]):
            found.append(float(parameter.detach().double().abs().sum()))
    return found


def walked(rank: int, world: int) -> dict[str, list[Any]]:
    """What each strategy does in each precision."""
    from launcher.train.engines.ops import choose_accelerator

    choose_accelerator("cpu")
    return {f"{each.key} {precision}": steps(rank, each, precision) for each in STRATEGIES for precision in PRECISIONS}


def steps(rank: int, strategy: Strategy, precision: str) -> list[Any]:
    """Three steps, in the middle one of which rank 1 alone has a loss that is not a number."""
    training = Training(learning_rate=1e-2, precision=precision, max_steps=3)
    made = ranks.recipe(training, strategy)
    model = ranks.tiny_llama()
    engine = build_engine(made, model, make_optimizer(model, training))
    ids = torch.arange(1, 13).view(1, -1)
    seen: list[Any] = [weights(model)]
    for step in range(3):
        poison = float("nan") if step == 1 and rank == 1 else 1.0

        def loss_of(of: torch.nn.Module, by: float = poison) -> torch.Tensor:
            return of(input_ids=ids).logits.float().logsumexp(-1).mean() * by

        for last in (False, True):
            engine.accumulate(loss_of, last=last)
        update = engine.step()
        seen.append((update.applied, math.isfinite(update.grad_norm), weights(model)))
    return seen


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[Any]]]:
    """By rank."""
    return ranks.on_ranks(WORLD, tmp_path_factory.mktemp("ranks"), walked)


@pytest.mark.parametrize("cell", [f"{each.key} {precision}" for each in STRATEGIES for precision in PRECISIONS])
def test_ranks_leave_out_the_same_step_and_go_on(found: list[dict[str, list[Any]]], cell: str) -> None:
    one, other = (each[cell] for each in found)
    assert one == other
    start, (applied, finite, first), (left_out, not_finite, second), (again, _, third) = one
    assert (applied, finite, left_out, not_finite, again) == (True, True, False, False, True)
    assert start != first
    assert second == first
    assert third != first

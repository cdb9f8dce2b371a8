"""Under DDP with three ranks a resumed run sums gradients in the order of a run that went on."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from launcher.recipe.training import Training
from launcher.train.engines import ddp
from launcher.train.engines.build import build_engine
from launcher.train.engines.engine import Engine
from launcher.train.optimizer import make_optimizer
from tests.train.ranks import on_ranks, recipe
from tests.train.state.cells import DDP

STEPS, STOP = 5, 3


def start() -> tuple[nn.Module, Engine]:
    """A model of several buckets: its gradients are 3.8 MB, and a bucket's first size is 1 MiB."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(400, 400) for _ in range(6)))
    made = recipe(Training(optim="sgd", learning_rate=0.3), DDP)
    return model, build_engine(made, model, make_optimizer(model, made.training))


def loss_of(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return (model(batch) - 1).square().mean()


def weights_after(rank: int, *, stopping: bool) -> torch.Tensor:
    """Every weight after five steps, of which the last two may be another engine's."""
    model, engine = start()
    for step in range(STEPS):
        if stopping and step == STOP:
            weights = model.state_dict()
            model, engine = start()
            model.load_state_dict(weights)
        torch.manual_seed(10 * step + rank)
        engine.accumulate(partial(loss_of, batch=torch.randn(3, 400)), last=True)
        engine.step()
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def both_ways(rank: int, world: int) -> dict[bool, bool]:
    """Whether a run that stopped ends as one that did not, with buckets settled at the start and without."""
    alike = {}
    for settled in (True, False):
        ddp.ORDER_MATTERS_FROM = 3 if settled else 99
        alike[settled] = torch.equal(weights_after(rank, stopping=False), weights_after(rank, stopping=True))
    return alike


def test_three_ranks_end_alike_with_a_stop_and_without_and_only_as_buckets_are_settled(tmp_path: Path) -> None:
    for alike in on_ranks(3, tmp_path, both_ways):
        assert alike == {True: True, False: False}

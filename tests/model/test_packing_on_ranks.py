"""Packs shared out over ranks give the gradient that their documents give alone, under every engine."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from launcher.data.packed_batch import collate_packs, weightless_pack
from launcher.recipe.strategy import Ddp, DeepSpeed
from launcher.recipe.training import Training
from launcher.train.engines.build import build_engine
from launcher.train.loss import summed_loss
from launcher.train.optimizer import make_optimizer
from tests.packs import alone, documents, gathered
from tests.train.ranks import on_ranks, recipe, tiny_llama

STRATEGIES = [
    Ddp(kind="ddp"),
    DeepSpeed(kind="deepspeed", zero_stage=2),
    DeepSpeed(kind="deepspeed", zero_stage=3, param_persistence_threshold=0),
]
TOLERANCE = 1e-5
"""Largest relative difference of a gradient, in fp32."""
Gradients = dict[str, torch.Tensor]


def gradients_on(rank: int, world: int) -> dict[str, Gradients]:
    """Two micro-batches a rank: rank 0 has three packs, rank 1 two and then none."""
    packs = documents()
    shares = [[packs[:2], packs[2:3]], [packs[3:], []]][rank]
    batches = [collate_packs(gathered(share, pad_id=0)) if share else weightless_pack(pad_id=0) for share in shares]
    found = {}
    for strategy in STRATEGIES:
        model = tiny_llama().train()
        training = Training(max_steps=1, max_grad_norm=None)
        engine = build_engine(recipe(training, strategy), model, make_optimizer(model, training))
        for batch in batches:
            engine.accumulate(partial(summed_loss, batch=batch), last=batch is batches[-1])
        found[strategy.key] = {name: gradient(strategy.key, weight) for name, weight in model.named_parameters()}
    return found


def gradient(strategy: str, weight: nn.Parameter) -> torch.Tensor:
    if strategy == "ddp":
        return weight.grad.clone()
    from deepspeed.utils import safe_get_full_grad

    return safe_get_full_grad(weight).clone()


def summed_alone() -> Gradients:
    """The sum over documents of their losses' gradients, by PyTorch alone."""
    model = tiny_llama().train()
    rows = [document for pack in documents() for document in pack]
    for row, logits in zip(rows, alone(model, documents()), strict=True):
        if len(row.labels) > 1:
            functional.cross_entropy(logits[:-1], torch.tensor(row.labels[1:]), reduction="sum").backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Gradients]]:
    folder: Path = tmp_path_factory.mktemp("ranks")
    return on_ranks(2, folder, gradients_on)


@pytest.mark.parametrize("strategy", [each.key for each in STRATEGIES])
def test_packs_over_ranks_teach_what_their_documents_teach(found: list[dict[str, Gradients]], strategy: str) -> None:
    expected = summed_alone()
    for seen in found:
        made = seen[strategy]
        assert made.keys() == expected.keys()
        differences = {name: float((made[name] - expected[name]).norm() / expected[name].norm()) for name in expected}
        print(f"{strategy}: {max(differences.values()):.1e}")
        assert max(differences.values()) < TOLERANCE, differences

"""The optimiser that a name makes, and how it moves weights."""

import copy

import pytest
import torch
from torch import nn
from transformers.optimization import Adafactor

from launcher.errors import InvalidInput
from launcher.recipe.training import Training
from launcher.train.optimizer import make_optimizer
from launcher.train.schedule import Schedule, warmup_steps

STEPS = 12


def toy() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(128, 64), nn.Linear(64, 128), nn.LayerNorm(128), nn.Linear(128, 64))


def trained(optim: str, steps: int = STEPS) -> list[torch.Tensor]:
    model = toy()
    optimizer = make_optimizer(
        model, Training.model_validate({"optim": optim, "learning_rate": 1e-3, "weight_decay": 0.1})
    )
    ids = torch.arange(128)
    for _ in range(steps):
        loss = (model(ids) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


def distance(ours: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(ours, others, strict=True))


def test_every_adamw_in_32_bits_takes_the_same_steps():
    plain = trained("adamw_torch")
    assert distance(plain, trained("adamw_torch", steps=0)) > 1e-2
    assert distance(plain, trained("adamw_torch_fused")) < 1e-6
    with pytest.warns(UserWarning, match="not supported on CPU"):
        assert distance(plain, trained("paged_adamw_32bit")) < 1e-5


def test_adamw_in_8_bits_stays_near_the_one_in_32_and_is_not_it():
    away = distance(trained("adamw_torch"), trained("adamw_bnb_8bit"))
    assert 1e-6 < away < 5e-3


def test_8_bits_are_for_large_matrices_and_never_for_embeddings():
    model = toy()
    optimizer = make_optimizer(model, Training(optim="adamw_bnb_8bit"))
    model(torch.arange(128)).sum().backward()
    optimizer.step()
    types = {name: optimizer.state[one]["state1"].dtype for name, one in model.named_parameters()}
    assert types["1.weight"] == types["3.weight"] == torch.uint8
    assert types["0.weight"] == types["2.weight"] == types["1.bias"] == torch.float32


def test_adafactor_is_that_of_hugging_faces_trainer():
    model = toy()
    reference = Adafactor(
        [{"params": [one for one in model.parameters() if one.dim() >= 2], "weight_decay": 0.1},
         {"params": [one for one in model.parameters() if one.dim() < 2]}],
        lr=1e-3, scale_parameter=False, relative_step=False,
    )  # fmt: skip
    for _ in range(STEPS):
        loss = (model(torch.arange(128)) - 1).pow(2).mean()
        reference.zero_grad()
        loss.backward()
        reference.step()
    assert distance(trained("adafactor"), [one.detach() for one in model.parameters()]) == 0


def test_adafactor_steps_by_the_learning_rate_however_small_the_weights():
    moved = []
    for scale in (1.0, 1e-3):
        layer = nn.Linear(32, 32, bias=False)
        nn.init.constant_(layer.weight, scale)
        before = copy.deepcopy(layer.weight.detach())
        layer.weight.grad = torch.ones_like(layer.weight)
        make_optimizer(layer, Training(optim="adafactor", learning_rate=0.5)).step()
        moved.append((before - layer.weight.detach()).mean().item())
    assert moved == pytest.approx([0.5, 0.5])


def test_sgd_steps_by_learning_rate_times_gradient():
    layer = nn.Linear(2, 2, bias=False)
    before = layer.weight.detach().clone()
    layer.weight.grad = torch.full((2, 2), 3.0)
    make_optimizer(layer, Training(optim="sgd", learning_rate=0.1)).step()
    assert torch.allclose(layer.weight.detach(), before - 0.3)


@pytest.mark.parametrize("optim", ["adamw_torch", "adafactor", "sgd", "adamw_bnb_8bit"])
def test_frozen_weights_are_left_out_and_vectors_are_not_decayed(optim):
    model = toy()
    model[0].weight.requires_grad_(False)
    groups = make_optimizer(model, Training(optim=optim, weight_decay=0.3)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert [len(group["params"]) for group in groups] == [2, 4]


def test_warm_up_is_in_steps_or_a_share_of_them():
    assert warmup_steps(Training(), 100) == 0
    assert warmup_steps(Training(warmup_steps=7), 100) == 7
    assert warmup_steps(Training(warmup_steps=0.07), 100) == warmup_steps(Training(warmup_ratio=0.07), 100) == 7


def test_a_polynomial_without_steps_to_fall_in_is_refused_in_one_line():
    training = Training(lr_scheduler_type="polynomial", warmup_steps=20)
    optimizer = make_optimizer(toy(), training)
    Schedule(optimizer, training, 21)
    with pytest.raises(
        InvalidInput, match=r"training.warmup_steps: 20 steps of warm-up leave none of 20 .*; give fewer"
    ):
        Schedule(optimizer, training, 20)

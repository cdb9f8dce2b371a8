"""The plan's terms against bytes that are really there, for everything that trains on a CPU."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.model.config import model_config
from launcher.plan.memory import estimate, setting_of
from launcher.plan.moments import moment_bytes
from launcher.plan.parameters import Part
from launcher.plan.setting import Setting
from launcher.recipe.method import Method, QLora
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.quantization import Quantization
from launcher.recipe.strategy import Strategy
from launcher.recipe.training import Training
from launcher.train.optimizer import make_optimizer
from launcher.train.state.moments import CONSTANTS, make_moments
from tests.plan.measured import Sizes, measure
from tests.train.ranks import on_ranks, recipe
from tests.train.state.cells import DDP, FULL, LORA, QLORA, Cell, make_base, zero

WORLD = 2
INT8 = QLora(kind="qlora", r=4, quantization=Quantization(type="int8"))
ONCE = QLora(kind="qlora", r=4, quantization=Quantization(double_quantization=False))
STRATEGIES: tuple[Strategy, ...] = (
    DDP,
    *(zero(stage) for stage in range(4)),
    *(zero(stage, offload_optimizer=True) for stage in (1, 2, 3)),
    zero(3, offload_optimizer=True, offload_param=True),
    zero(3, threshold=10_000),
)
TERMS = {
    "adapters": ("adapters",),
    "model": ("weights", "quantised weights", "quantisation constants"),
    "gradients": ("gradients",),
    "fp32 gradients": ("fp32 gradients",),
    "masters": ("fp32 weights",),
    "moments": ("optimiser states",),
}


def possible(method: Method, strategy: Strategy, precision: str) -> bool:
    return recipe_refusal(recipe(Training(precision=precision), strategy, method), "cpu") is None


def cells() -> Iterator[Cell]:
    for method, strategy, precision in product((FULL, LORA, QLORA, INT8), STRATEGIES, ("bf16", "fp32")):
        twice = precision == "fp32" and method != FULL and strategy.key not in ("ddp", "zero3")
        if possible(method, strategy, precision) and not twice:
            yield Cell(method, strategy, precision)
    yield Cell(ONCE, DDP)


CELLS = list(cells())
SLOW = pytest.mark.slow
QUICK = {DDP.key, "zero2", "zero3", "zero3+optimizer+param"}
"""Strategies that `make test` measures in bf16; `make e2e` measures everything else."""


def cases() -> list[Any]:
    return [
        pytest.param(cell, id=str(cell), marks=[] if cell.strategy.key in QUICK and cell.precision == "bf16" else SLOW)
        for cell in CELLS
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_base(tmp_path_factory.mktemp("base"), hidden=256)


@pytest.fixture(scope="module")
def real(
    request: pytest.FixtureRequest, base: str, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Cell, list[Sizes]]]:
    """What each rank holds, of each cell that tests of this session ask for."""
    asked = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
    wanted = [cell for cell in CELLS if cell in asked]
    ranks = on_ranks(WORLD, tmp_path_factory.mktemp("ranks"), measure, wanted, base)
    return list(zip(wanted, map(list, zip(*ranks, strict=True)), strict=True))


def setting(cell: Cell, base: str) -> Setting:
    made = recipe(Training(precision=cell.precision, optim=cell.optim), cell.strategy, cell.method, base)
    found = setting_of(made, model_config(made.model), WORLD, "cpu")
    assert found is not None
    return found


@pytest.mark.parametrize("cell", cases())
def test_terms_are_what_is_allocated_within_a_fiftieth(
    cell: Cell, base: str, real: list[tuple[Cell, list[Sizes]]]
) -> None:
    terms = estimate(setting(cell, base)).terms
    (ranks,) = [sizes for measured, sizes in real if measured == cell]
    for sizes in ranks:
        for name, size in sizes.items():
            told = sum(term.size for term in terms if term.name in TERMS[name])
            assert told == pytest.approx(size, rel=0.02), name


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adamw_torch", "adafactor", "sgd", "adamw_bnb_8bit"])
def test_each_optimiser_remembers_what_is_told_within_a_fiftieth(optim: str) -> None:
    config = LlamaConfig(
        vocab_size=500, hidden_size=128, intermediate_size=300, num_hidden_layers=2, num_attention_heads=4
    )
    model = LlamaForCausalLM(config)
    optimizer = make_optimizer(model, Training(optim=optim))
    make_moments(optimizer)
    kept = {
        value.data_ptr(): value.nbytes
        for state in optimizer.state.values()
        for name, value in state.items()
        if isinstance(value, torch.Tensor) and value.dim() and name not in CONSTANTS
    }
    parts = [
        Part(name, "embedding" if "embed" in name else "linear", 1, tuple(weight.shape))
        for name, weight in model.named_parameters()
    ]
    assert sum(moment_bytes(optim, part) for part in parts) == pytest.approx(sum(kept.values()), rel=0.02)

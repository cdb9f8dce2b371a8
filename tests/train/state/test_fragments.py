"""Fragments of replicated states, and states that do not fit."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from launcher.checkpoint.fragment import WEIGHT, Fragment, Slot
from launcher.errors import InvalidInput
from launcher.recipe.optimizers import optimizer_refusal
from launcher.recipe.training import Training
from launcher.train.optimizer import make_optimizer
from launcher.train.state.moments import make_moments, moments, set_steps, steps
from launcher.train.state.replicated import shared_out
from launcher.train.state.state import check_fits, take_state
from tests.train.ranks import on_ranks
from tests.train.state.cells import DDP, FULL, Cell, make_base, start


@given(st.lists(st.integers(1, 50), max_size=12), st.integers(1, 9))
def test_ranks_share_out_every_element_once_and_equally(sizes: list[int], world: int) -> None:
    whole = [
        Fragment(Slot(str(number), WEIGHT), 0, size, torch.arange(size) + 100 * number)
        for number, size in enumerate(sizes)
    ]
    shares = [shared_out(whole, rank, world) for rank in range(world)]
    counts = [sum(len(fragment.values) for fragment in share) for share in shares]
    assert max(counts) - min(counts) <= 1
    found = [
        (fragment.slot, fragment.offset + place, int(value))
        for share in shares
        for fragment in share
        for place, value in enumerate(fragment.values)
    ]
    expected = [(one.slot, place, int(value)) for one in whole for place, value in enumerate(one.values)]
    assert found == expected


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adamw_torch", "adafactor", "sgd", "adamw_bnb_8bit"])
def test_moments_made_ahead_move_nothing_and_change_no_step(optim: str) -> None:
    after = []
    for ahead in (False, True):
        torch.manual_seed(0)
        layer = torch.nn.Linear(96, 96)
        optimizer = make_optimizer(layer, Training(optim=optim, weight_decay=0.1, learning_rate=1e-2))
        if ahead:
            before = layer.weight.detach().clone()
            make_moments(optimizer)
            assert torch.equal(layer.weight, before)
            assert layer.weight.grad is None
            assert [group["lr"] for group in optimizer.param_groups] == [1e-2, 1e-2]
        for _ in range(3):
            optimizer.zero_grad()
            layer(torch.ones(2, 96)).square().sum().backward()
            optimizer.step()
        after.append((layer.weight.detach(), dict(moments(optimizer.state[layer.weight])), steps(optimizer)))
    (weight, kept, count), (other, others, other_count) = after
    assert torch.equal(weight, other)
    assert count == other_count == (0 if optim == "sgd" else 3)
    assert kept.keys() == others.keys()
    assert all(torch.equal(kept[name], others[name]) for name in kept)


@pytest.mark.parametrize("optim", ["adamw_torch_fused", "adafactor", "paged_adamw_32bit"])
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_a_count_of_steps_is_kept_as_the_optimiser_keeps_it(optim: str) -> None:
    optimizer = make_optimizer(torch.nn.Linear(4, 4), Training(optim=optim))
    make_moments(optimizer)
    assert steps(optimizer) == 0
    before = [type(state["step"]) for state in optimizer.state.values()]
    set_steps(optimizer, 17)
    assert steps(optimizer) == 17
    assert [type(state["step"]) for state in optimizer.state.values()] == before


@pytest.mark.parametrize(
    ("optim", "strategy", "possible"),
    [
        ("adamw_bnb_8bit", "ddp", True),
        ("paged_adamw_8bit", "zero0", True),
        ("paged_adamw_32bit", "zero3", True),
        ("adamw_torch_fused", "zero2+optimizer", True),
        ("adamw_bnb_8bit", "zero1", False),
        ("paged_adamw_8bit", "zero3+param", False),
    ],
)
def test_what_could_not_be_resumed_is_refused_before_it_is_trained(optim: str, strategy: str, possible: bool) -> None:
    refusal = optimizer_refusal(optim, "cuda", strategy)
    assert (refusal is None) == possible
    assert refusal is None or ("use strategy.kind ddp" in refusal and "\n" not in refusal)


def misfits(rank: int, world: int, base: str) -> list[str]:
    """What is said of states that another optimiser wrote, and of another model's."""
    run = start(Cell(FULL, DDP), base)
    stored = {fragment.slot: fragment.total for fragment in take_state(run.engine, run.model)}
    check_fits(run.engine, run.model, stored)
    said = []
    for other in (
        {slot: total for slot, total in stored.items() if slot.name != "exp_avg"},
        {slot: total + 8 for slot, total in stored.items()},
    ):
        with pytest.raises(InvalidInput) as refused:
            check_fits(run.engine, run.model, other)
        said.append(str(refused.value))
    return said


def test_states_that_do_not_fit_are_named_in_one_line(tmp_path: Path) -> None:
    ((optimizer, model),) = on_ranks(1, tmp_path, misfits, make_base(tmp_path / "base"))
    assert optimizer.startswith("checkpoint: exp_avg of model.embed_tokens.weight needs ")
    assert "has none; resume with the model, method and training.optim that wrote it" in optimizer
    assert "checkpoint has " in model
    assert "\n" not in optimizer + model

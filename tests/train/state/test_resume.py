"""At an unchanged number of ranks a resumed run is, bit for bit, the run that went on."""

from dataclasses import dataclass

import pytest
import torch

from launcher.checkpoint.fragment import WEIGHT, Slot
from launcher.train.state.holdings import Counters
from tests.train.ranks import on_ranks
from tests.train.state.cells import (
    DDP,
    FULL,
    LORA,
    QLORA,
    Cell,
    furthest,
    make_base,
    resume,
    saved,
    start,
    train,
    zero,
)

WORLD = 2
OFFLOADED = [
    zero(1, offload_optimizer=True),
    zero(2, offload_optimizer=True),
    zero(3, offload_optimizer=True),
    zero(3, offload_param=True),
    zero(3, offload_optimizer=True, offload_param=True),
]
STRATEGIES = [DDP, zero(0), zero(1), zero(2), zero(3), zero(3, threshold=100_000), *OFFLOADED]
QUICK = [
    *(Cell(FULL, strategy) for strategy in (DDP, zero(1), OFFLOADED[-1])),
    Cell(FULL, zero(2), "bf16"),
    Cell(LORA, zero(3), "bf16", dropout=0.1),
    Cell(QLORA, zero(2), "bf16", dropout=0.1),
    *(Cell(FULL, DDP, optim=optim) for optim in ("adafactor", "adamw_bnb_8bit")),
    Cell(FULL, DDP, "fp16"),
]
EVERY = [
    Cell(method, strategy, precision, dropout=0.0 if method == FULL else 0.1)
    for method in (FULL, LORA, QLORA)
    for strategy in STRATEGIES
    for precision in ("fp32", "bf16")
]
RARE = [
    *(Cell(FULL, DDP, optim=optim) for optim in ("adamw_torch", "sgd")),
    *(Cell(FULL, zero(stage), optim="sgd") for stage in (0, 1, 3)),
    Cell(FULL, zero(2), optim="paged_adamw_32bit"),
]
SLOW = [cell for cell in [*EVERY, *RARE] if cell not in QUICK]
FORGETFUL = [Cell(FULL, DDP), Cell(FULL, zero(2))]
REMEMBERED = {
    "adamw_torch_fused": {"exp_avg", "exp_avg_sq"},
    "adamw_torch": {"exp_avg", "exp_avg_sq"},
    "adafactor": {"exp_avg_sq_row", "exp_avg_sq_col", "exp_avg_sq"},
    "sgd": set[str](),
    "adamw_bnb_8bit": {"state1", "state2", "absmax1", "absmax2"},
    "paged_adamw_32bit": {"state1", "state2"},
}
"""What optimisers keep of weights; matrices and vectors taken together."""


@dataclass
class Found:
    """What one rank saw of a cell."""

    apart: float
    """Largest difference of any element of any state after the last step."""
    losses: list[float]
    expected_losses: list[float]
    counters: Counters
    expected_counters: Counters
    types: dict[Slot, torch.dtype]
    """Of every state that was taken."""


@dataclass
class Forgotten:
    """How far from an undisturbed run one ends that is resumed without something."""

    moments: float
    count: float
    """Adam's, of steps."""


def walk(rank: int, world: int, base: str, cells: list[Cell]) -> tuple[dict[str, Found], dict[str, Forgotten]]:
    found = {str(cell): six_steps_and_three_and_three(cell, base) for cell in cells}
    return found, {str(cell): forgetful(cell, base) for cell in FORGETFUL}


def six_steps_and_three_and_three(cell: Cell, base: str) -> Found:
    undisturbed = start(cell, base)
    expected_losses = train(undisturbed, range(6))[3:]
    stopped = start(cell, base)
    train(stopped, range(3))
    states, counted = saved(stopped)
    resumed = resume(cell, base, states, counted)
    losses = train(resumed, range(3, 6))
    (end, end_counters), (expected, expected_counters) = saved(resumed), saved(undisturbed)
    types = {slot: state.dtype for slot, state in states.items()}
    return Found(furthest(end, expected), losses, expected_losses, end_counters, expected_counters, types)


def forgetful(cell: Cell, base: str) -> Forgotten:
    undisturbed, stopped = start(cell, base), start(cell, base)
    train(undisturbed, range(6))
    train(stopped, range(3))
    states, counted = saved(stopped)
    zeroed = {slot: state if slot.name == WEIGHT else torch.zeros_like(state) for slot, state in states.items()}
    runs = [resume(cell, base, zeroed, counted), resume(cell, base, states, {**counted, "optimizer_steps": 0})]
    for run in runs:
        train(run, range(3, 6))
    expected = saved(undisturbed)[0]
    return Forgotten(*(furthest(saved(run)[0], expected) for run in runs))


@pytest.fixture(scope="module")
def walked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Found], dict[str, Forgotten]]:
    """The cells that tests of this session ask for, on one rank's word: all have the same whole states."""
    asked = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
    folder = tmp_path_factory.mktemp("resume")
    base = make_base(folder / "base")
    return on_ranks(WORLD, folder, walk, base, [cell for cell in [*QUICK, *SLOW] if cell in asked])[0]


@pytest.fixture(scope="module")
def found(walked: tuple[dict[str, Found], dict[str, Forgotten]]) -> dict[str, Found]:
    return walked[0]


CELLS = [
    *(pytest.param(cell, id=str(cell)) for cell in QUICK),
    *(pytest.param(cell, id=str(cell), marks=pytest.mark.slow) for cell in SLOW),
]


@pytest.mark.parametrize("cell", CELLS)
def test_three_steps_and_three_more_are_six(found: dict[str, Found], cell: Cell) -> None:
    seen = found[str(cell)]
    assert seen.losses == seen.expected_losses
    assert seen.apart == 0.0
    assert seen.counters == seen.expected_counters
    assert seen.counters["optimizer_steps"] == (0 if cell.optim == "sgd" else 6)


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_taken_is_what_is_trained_with_all_that_the_optimiser_remembers(
    found: dict[str, Found], cell: Cell
) -> None:
    types = found[str(cell)].types
    names = {slot.parameter for slot in types}
    assert all(("lora_" in name) == (cell.method != FULL) for name in names)
    assert "lm_head.weight" not in names  # tied
    assert all(types[slot] == torch.float32 for slot in types if slot.name == WEIGHT)
    remembered = REMEMBERED[cell.optim]
    assert {slot.name for slot in types} == {WEIGHT, *remembered}
    if cell.optim.startswith("adamw_torch"):
        assert len(types) == 3 * len(names)
    assert (torch.uint8 in types.values()) == cell.optim.endswith("8bit")


@pytest.mark.parametrize("cell", FORGETFUL, ids=str)
def test_a_resume_without_moments_or_without_the_count_of_steps_ends_elsewhere(
    walked: tuple[dict[str, Found], dict[str, Forgotten]], cell: Cell
) -> None:
    apart = walked[1][str(cell)]
    print(f"{cell}: {apart.moments:.1e} without moments, {apart.count:.1e} without the count")
    assert min(apart.moments, apart.count) > 1e-4

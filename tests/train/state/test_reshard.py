"""What any number of ranks wrote under any strategy, any other number reads under any other."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from launcher.checkpoint.fragment import WEIGHT
from launcher.recipe.strategy import Strategy
from launcher.train.state.holdings import Counters
from tests.train.ranks import on_ranks
from tests.train.state.cells import (
    DDP,
    FULL,
    LORA,
    QLORA,
    Cell,
    Whole,
    furthest,
    make_base,
    resume,
    saved,
    start,
    strategy_name,
    train,
    zero,
)

TOLERANCE = {"fp32": 1e-5, "bf16": 2e-3}
"""Largest difference of a loss from the undisturbed run's."""
EACH = 2
"""Steps in each link of a chain."""


@dataclass(frozen=True)
class Chain:
    """One run whose strategy and number of ranks change at every stop."""

    cell: Cell
    links: tuple[tuple[int, Strategy], ...]

    def __str__(self) -> str:
        links = " ".join(f"{world}x{strategy_name(strategy)}" for world, strategy in self.links)
        return f"{self.cell.method.kind} {self.cell.precision} {self.cell.optim} {links}"

    def at(self, link: int) -> Cell:
        return Cell(self.cell.method, self.links[link][1], self.cell.precision, self.cell.optim)


def sizes(strategy: Strategy, cell: Cell) -> Chain:
    """2, 3 and 1 ranks under one strategy."""
    return Chain(cell, ((2, strategy), (3, strategy), (1, strategy)))


MIXED = ((2, DDP), (3, zero(3)), (1, zero(2)))
BACK = ((2, zero(2, offload_optimizer=True)), (3, zero(1)), (1, DDP))
QUICK = [
    *(sizes(strategy, Cell(FULL, DDP)) for strategy in (DDP, zero(2))),
    sizes(zero(3, threshold=100_000), Cell(FULL, DDP, "bf16")),
    Chain(Cell(FULL, DDP), MIXED),
    Chain(Cell(QLORA, DDP), BACK),
    *(sizes(DDP, Cell(FULL, DDP, optim=optim)) for optim in ("adafactor", "adamw_bnb_8bit")),
]
OTHERS = (zero(0), zero(2, offload_optimizer=True), zero(3, offload_optimizer=True, offload_param=True))
SLOW = [
    sizes(strategy, Cell(method, DDP, precision))
    for method in (FULL, LORA, QLORA)
    for strategy in (DDP, zero(1), zero(2), zero(3), zero(3, threshold=100_000), *OTHERS)
    for precision in ("fp32", "bf16")
]
SLOW += [Chain(Cell(method, DDP), links) for method in (FULL, LORA, QLORA) for links in (MIXED, BACK)]
SLOW = [chain for chain in SLOW if chain not in QUICK]


@dataclass
class Stop:
    """Where a chain stands between two links."""

    losses: list[float]
    states: Whole
    counters: Counters
    undisturbed: list[float]
    """Losses of the first link's ranks and strategy, without a stop."""
    taken_over: float
    """Largest difference of the states as they were put from the same states taken again."""


def first_link(rank: int, world: int, base: str, chains: list[Chain]) -> list[Stop] | None:
    stops = []
    for chain in chains:
        undisturbed = train(start(chain.at(0), base), range(3 * EACH))
        run = start(chain.at(0), base)
        losses = train(run, range(EACH))
        stops.append(Stop(losses, *saved(run), undisturbed, taken_over=0.0))
    return stops if rank == 0 else None


def next_link(rank: int, world: int, base: str, chains: list[Chain], link: int, stops: list[Stop]) -> list[Stop] | None:
    reached = []
    for chain, stop in zip(chains, stops, strict=True):
        run = resume(chain.at(link), base, stop.states, stop.counters)
        apart = max(stop.taken_over, furthest(saved(run)[0], stop.states))
        losses = stop.losses + train(run, range(link * EACH, link * EACH + EACH))
        reached.append(Stop(losses, *saved(run), stop.undisturbed, apart))
    return reached if rank == 0 else None


def walked(folder: Path, chains: list[Chain]) -> list[Stop]:
    base = make_base(folder / "base")
    stops: list[Stop] = on_ranks(2, folder / "0", first_link, base, chains)[0]
    for link, world in ((1, 3), (2, 1)):
        stops = on_ranks(world, folder / str(link), next_link, base, chains, link, stops)[0]
    return stops


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stop]:
    asked = [item.callspec.params.get("chain") for item in request.session.items if hasattr(item, "callspec")]
    chains = [chain for chain in [*QUICK, *SLOW] if chain in asked]
    ends = walked(tmp_path_factory.mktemp("reshard"), chains)
    return {str(chain): end for chain, end in zip(chains, ends, strict=True)}


CHAINS = [
    *(pytest.param(chain, id=str(chain)) for chain in QUICK),
    *(pytest.param(chain, id=str(chain), marks=pytest.mark.slow) for chain in SLOW),
]


@pytest.mark.parametrize("chain", CHAINS)
def test_losses_are_those_of_the_undisturbed_run(found: dict[str, Stop], chain: Chain) -> None:
    end = found[str(chain)]
    difference = max(abs(one - other) for one, other in zip(end.losses, end.undisturbed, strict=True))
    print(f"{chain}: {difference:.1e}")
    assert difference <= TOLERANCE[chain.cell.precision]


@pytest.mark.parametrize("chain", CHAINS)
def test_what_was_put_is_taken_again_bit_for_bit(found: dict[str, Stop], chain: Chain) -> None:
    end = found[str(chain)]
    assert end.taken_over == 0.0
    assert end.counters["optimizer_steps"] == 3 * EACH
    assert any(slot.name != WEIGHT for slot in end.states)

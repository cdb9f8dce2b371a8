"""One run on 4, then 2, then 3 workers, then one: the same documents in the same order, and the losses of the
undisturbed run.

`-k` chooses chains; each takes about two minutes on two cores, its undisturbed run with 4 workers another half. So
`make chaos` has those that are not in others too, and `pytest -m thorough tests/chaos` the rest.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from launcher.checkpoint.entries import Open
from tests.faults.checks import check_every_document_once
from tests.faults.recipes import write_recipes
from tests.faults.trial import StoreBench
from tests.faults.worlds import Leg, differences, run_legs

TOLERANCE = {"fp32": 1e-5, "bf16": 2e-3}
"""Of losses, in nats."""
WORLDS = (4, 2, 3, 1)
CHAINS: dict[str, tuple[str, ...]] = {
    "ddp": ("ddp",) * 4,
    "zero1": ("zero1",) * 4,
    "zero2": ("zero2",) * 4,
    "zero3": ("zero3",) * 4,
    "mixed": ("ddp", "zero3", "zero2", "zero2"),
}
THOROUGH = (
    "zero1-given-fp32",
    "ddp-given-bf16",
    "zero1-given-bf16",
    "zero2-given-bf16",
    "zero3-given-bf16",
    "ddp-from-the-world-bf16",
)
"""The mixture has every strategy but ZeRO 1, which shares less than ZeRO 2."""
BATCHES = {"given": ("global_batch_size=12",), "from-the-world": ("global_batch_size=null",)}
"""Without one the global batch is that of the first attempt's 4 workers."""


def chains() -> Iterator[Any]:
    for chain, batch in [*((name, "given") for name in CHAINS), ("ddp", "from-the-world")]:
        for precision in TOLERANCE:
            name = f"{chain}-{batch}-{precision}"
            marks = [pytest.mark.slow, *([pytest.mark.thorough] if name in THOROUGH else [])]
            yield pytest.param(chain, batch, precision, marks=marks, id=name)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> StoreBench:
    folder = tmp_path_factory.mktemp("worlds")
    write_recipes(folder, shared)
    return StoreBench(folder, shared)


@pytest.mark.parametrize(("chain", "batch", "precision"), list(chains()))
def test_the_world_size_changes_and_nothing_else_does(
    bench: StoreBench,
    tmp_path: Path,
    chain: str,
    batch: str,
    precision: str,
    record_property: Callable[[str, object], None],
) -> None:
    words = (*(f"training.{each}" for each in BATCHES[batch]), f"training.precision={precision}")
    legs = [Leg(world, strategy) for world, strategy in zip(WORLDS, CHAINS[chain], strict=True)]
    calm = run_legs(bench, f"calm-{chain}-{batch}-{precision}", words, legs[:1])
    changed = run_legs(bench, f"changed-{chain}-{batch}-{precision}", words, legs)
    opens = [each for each in changed.entries() if isinstance(each, Open)]
    assert len(opens) == len(legs)
    epochs = check_every_document_once(changed, tmp_path)
    assert epochs == check_every_document_once(calm, tmp_path) > 3
    furthest = differences(changed, calm)
    print(f"{chain}, {batch} batch, {precision}: {epochs} epochs, losses differ by {furthest:.1e} at the most")
    assert furthest <= TOLERANCE[precision]
    record_property("faults", [("kill, another world", "-")] * (len(legs) - 1))

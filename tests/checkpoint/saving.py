"""A small training state on some ranks, and processes that save it."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import torch

from launcher.checkpoint.contents import Origin
from launcher.checkpoint.destination import Destination
from launcher.checkpoint.fragment import Fragment, Slot
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.outcome import Outcome
from launcher.checkpoint.saver import Saver
from launcher.storage.store import Store

TRAINED = {"embed": 40_001, "head": 7}
SLOTS = [Slot(parameter, name) for parameter in TRAINED for name in ("weight", "exp_avg", "exp_avg_sq")]
ORIGIN = Origin("run", {"seed": 1}, "digest", {"train": "abc"}, {"id": "base"})


def whole(slot: Slot, step: int) -> torch.Tensor:
    """What a slot holds after a step."""
    generator = torch.Generator().manual_seed(hash((SLOTS.index(slot), step)))
    return torch.randn(TRAINED[slot.parameter], generator=generator)


def share(rank: int, world: int, step: int) -> list[Fragment]:
    """What a rank is to write: its share of each slot, of which some ranks have none."""
    fragments = []
    for slot in SLOTS:
        values = whole(slot, step)
        total = len(values)
        first, last = total * rank // world, total * (rank + 1) // world
        fragments.append(Fragment(slot, first, total, values[first:last].clone()))
    return fragments


def state(step: int) -> dict[str, Any]:
    return {"cursor": {"pack": step * 8}, "step": step}


def open_attempt(store: Store) -> Attempt:
    return Journal(store).open_attempt("local", "1", ["here"])


def destination(store: Store, attempt: Attempt, world: int = 2, **others: Any) -> Destination:
    place = {"node": 0, "local_world": world} | others
    return Destination(
        run_url=store.location, attempt=attempt.number, nonce=attempt.nonce, origin=ORIGIN, trained=TRAINED,
        world=world, **place,
    )  # fmt: skip


@contextmanager
def savers(where: Destination, first: int = 0) -> Iterator[list[Saver]]:
    """Those of one node's ranks."""
    with ExitStack() as stack:
        made = []
        for rank in range(first, first + where.local_world):
            saver = Saver(where, rank, starts=rank == first)
            made.append(stack.enter_context(closing(saver)))
        yield made


def begin(ranks: list[Saver], world: int, step: int, metric: float | None = None, first: int = 0) -> None:
    for number, saver in enumerate(ranks, start=first):
        saver.save(step, share(number, world, step), state(step), metric)


def outcomes(ranks: list[Saver]) -> list[Outcome | None]:
    return [saver.poll(60) for saver in ranks]


def save(ranks: list[Saver], world: int, step: int, metric: float | None = None) -> list[Outcome | None]:
    begin(ranks, world, step, metric)
    return outcomes(ranks)

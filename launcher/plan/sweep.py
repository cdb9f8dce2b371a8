"""A plan over numbers of accelerators, as a table and as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launcher.errors import InvalidInput
from launcher.plan.batch import plan_batches
from launcher.plan.choose import choose
from launcher.plan.counts import RowCounts
from launcher.plan.hardware import Hardware
from launcher.plan.outlook import look_ahead
from launcher.recipe.recipe import Recipe

HEADER = ("gpus", "nodes", "GiB a GPU", "fits", "tokens/s", "s/step", "hours", "cost", "interval s", "goodput")


@dataclass(frozen=True, slots=True)
class Point:
    gpus: int
    nodes: int
    strategy: str
    micro_batch: int
    peak: int
    """Bytes of a rank."""
    fits: bool
    tokens_per_second: float | None
    step_s: float | None
    hours: float | None
    cost: float | None
    interval_s: float | None
    goodput: float | None


def sweep(
    recipe: Recipe, config: dict[str, Any], rows: RowCounts, hardware: Hardware, sizes: Sequence[int]
) -> list[Point]:
    """One point a number of accelerators; what the recipe leaves open is settled for each.

    Raises:
        InvalidInput: the model's architecture is not known.
    """
    points = []
    for gpus in sizes:
        there = hardware.of_size(gpus)
        chosen = choose(recipe, config, there)
        batches = plan_batches(chosen.training, world=gpus, documents=rows.train, tokens=rows.tokens)
        ahead = look_ahead(chosen, config, batches, there)
        if ahead is None:
            raise InvalidInput(f"--sweep-gpus: memory is not known for model_type {config.get('model_type')}")
        speed, saves = ahead.speed, ahead.saves
        points.append(
            Point(
                gpus=gpus,
                nodes=there.nodes,
                strategy=chosen.strategy.key,
                micro_batch=batches.micro_batch,
                peak=ahead.memory.peak,
                fits=ahead.fits,
                tokens_per_second=None if speed is None else speed.tokens_per_second,
                step_s=None if speed is None else speed.step_s,
                hours=None if speed is None else speed.hours,
                cost=None if speed is None else speed.cost,
                interval_s=saves.interval_s,
                goodput=saves.goodput,
            )
        )
    return points


def read_sizes(text: str) -> list[int]:
    """`8,16,...,1024` as numbers: dots go on as the two before them do, by doubling or by adding.

    Raises:
        InvalidInput: it is no such list.
    """
    sizes: list[int] = []
    words = [word.strip() for word in text.split(",")]
    for place, word in enumerate(words):
        if word == "..." and len(sizes) >= 2 and place == len(words) - 2 and words[-1].isdigit():
            sizes += _between(sizes[-2], sizes[-1], int(words[-1]))
        elif word.isdigit() and int(word) > 0:
            sizes.append(int(word))
        else:
            raise InvalidInput(f"--sweep-gpus: expected numbers such as 8,16,...,1024, found {text!r}")
    return sorted(set(sizes))


def _between(first: int, second: int, last: int) -> list[int]:
    doubling, found = second == 2 * first, []
    step = second - first
    while step > 0 and (second := 2 * second if doubling else second + step) < last:
        found.append(second)
    return found


def sweep_lines(points: Sequence[Point]) -> list[str]:
    """A table."""
    rows = [
        (
            str(each.gpus),
            str(each.nodes),
            f"{each.peak / 2**30:.1f}",
            "yes" if each.fits else "no",
            *(
                "" if value is None else f"{value:,.{digits}f}"
                for value, digits in (
                    (each.tokens_per_second, 0),
                    (each.step_s, 2),
                    (each.hours, 2),
                    (each.cost, 2),
                    (each.interval_s, 0),
                )
            ),
            "" if each.goodput is None else f"{each.goodput:.1%}",
        )
        for each in points
    ]
    widths = [max(map(len, column)) for column in zip(HEADER, *rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (HEADER, *rows)]

"""Sides that are measured in turn, on a machine that is not quiet: a b c, b c a, c a b."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pass:
    """What one side did in one round."""

    tokens: int
    seconds: float
    fill: float | None = None
    """Tokens out of those that its rows hold."""

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


Found = Mapping[str, Sequence[Pass]]


def in_turn(sides: Mapping[str, Callable[[], Pass]], rounds: int) -> Found:
    """Passes of each side; a first round warms up and does not count."""
    found: dict[str, list[Pass]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            done = sides[name]()
            if number:
                found[name].append(done)
    return found


def ratio(found: Found, side: str, base: str) -> float:
    """Median over rounds of one side's rate by another's in the same round."""
    return statistics.median(a.rate / b.rate for a, b in zip(found[side], found[base], strict=True))


def table(found: Found, bases: Mapping[str, str]) -> str:
    """A row a side, as Markdown.

    Args:
        bases: Sides that ratios are taken to, by the head of their column.
    """
    heads = ["side", "M tokens/s", "smallest - largest", *(f"/ {head}" for head in bases), "fill"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for side, passes in found.items():
        rates = [done.rate / 1e6 for done in passes]
        fills = [done.fill for done in passes if done.fill is not None]
        ratios = [f"{ratio(found, side, base):.3g}" for base in bases.values()]
        spread = f"{min(rates):.4g} - {max(rates):.4g}"
        fill = f"{statistics.median(fills):.4f}" if fills else ""
        lines.append(_row([side, f"{statistics.median(rates):.4g}", spread, *ratios, fill]))
    return "\n".join(lines)


def goal(what: str, value: float, limit: float, *, most: bool = False) -> str:
    """A line that says whether a figure is reached: at least the limit, or at the most."""
    reached = value <= limit if most else value >= limit
    sign = "at most" if most else "at least"
    return f"- {what}: {value:.4g}, {sign} {limit:g} asked: {'reached' if reached else 'NOT reached'}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""How long rows are, and how many are cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from launcher.data.checks.encoded import EncodedRow
from launcher.data.checks.finding import Finding, judged, part
from launcher.recipe.recipe import Recipe

BARS = 10
ROUND = 8
"""Lengths are proposed in multiples of this."""


@dataclass(frozen=True, slots=True)
class Bar:
    first: int
    last: int | None
    """None of the last bar: whatever is longer."""
    rows: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens a row, before cutting."""

    median: int
    most: int
    """95 of 100 rows have so many at the most."""
    longest: int
    bars: tuple[Bar, ...]


def lengths(rows: Sequence[EncodedRow]) -> Lengths:
    """Of one row at least."""
    found = np.array([row.length for row in rows])
    median, most, nearly_all = (int(np.ceil(np.quantile(found, share))) for share in (0.5, 0.95, 0.995))
    return Lengths(median, most, int(found.max()), tuple(_bars(found.tolist(), nearly_all)))


def _bars(found: Sequence[int], nearly_all: int) -> Iterator[Bar]:
    """Bars of one round width; the last holds the few that are far longer than all others."""
    width = _round_up(max(nearly_all / BARS, 1))
    count = -(-nearly_all // width)
    places = [min(max(length - 1, 0) // width, count) for length in found]
    for place in range(max(places) + 1):
        last = (place + 1) * width if place < count else None
        yield Bar(place * width + 1, last, places.count(place))


def _round_up(number: float) -> int:
    """To 1, 2 or 5 times a power of ten."""
    power: int = 10 ** (len(str(int(number))) - 1)
    return next(each * power for each in (1, 2, 5, 10) if each * power >= number)


def check_lengths(rows: Sequence[EncodedRow], recipe: Recipe, positions: int | None) -> Iterator[Finding]:
    """Rows that are cut, and completions that do not fit at all.

    Args:
        positions: That the model has, where that is known.
    """
    length = recipe.training.max_length
    cut, long = sum(row.truncated for row in rows), sum(row.length > length for row in rows)
    figure = f"{part(cut, len(rows))} rows have more than {length:,} tokens and are cut"
    if not cut and long:
        figure = f"{part(long, len(rows))} rows have more than {length:,} tokens and become several; none is cut"
    meant = recipe.training.long_documents == "truncate"
    mend = _longer(lengths(rows).most, length, positions)
    if not meant:
        mend += "; training.long_documents=truncate where cutting is meant"
    yield judged("truncated", cut / len(rows), figure, mend, meant=meant)
    unfit = [row for row in rows if not row.trained]
    if unfit:
        most = max(row.whole.label_tokens for row in unfit)
        figure = f"{part(len(unfit), len(rows))} rows have a completion of more than {length:,} tokens, up to {most:,}"
        mend = "raise training.max_length above it, or take these rows out: completions are not cut"
        yield Finding("completions", figure, "fail", mend)


def _longer(wanted: int, length: int, positions: int | None) -> str:
    rounded = -(-wanted // ROUND) * ROUND
    if positions is None or rounded <= positions:
        return f"training.max_length={rounded} cuts one row in twenty at the most"
    if length < positions:
        return f"training.max_length={positions} is as much as the model has positions for; cut rows up beforehand"
    return f"cut rows up beforehand: the model has {positions} positions"

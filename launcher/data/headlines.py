"""Synthetic financial headlines whose mood hangs on a combination of words.

A headline reports how a measure moved and what had been forecast. The mood is the surprise: a move that was forecast
is no news, any other is good or bad by what moved. Each cue word says nothing alone: it is as frequent in every class.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from random import Random
from typing import Literal

from launcher.errors import InvalidInput

TemplateSet = Literal["seen", "held-out"]

MEASURES = {
    **dict.fromkeys(("profit", "revenue", "sales", "orders", "earnings", "income"), +1),
    **dict.fromkeys(("costs", "losses", "debt", "expenses", "arrears", "defaults"), -1),
}
"""What moved: +1 where more of it is good."""

MOVES = {
    **dict.fromkeys(("rose", "grew", "climbed", "increased"), +1),
    **dict.fromkeys(("fell", "shrank", "dropped", "decreased"), -1),
}
"""How it moved."""

FORECASTS = {
    **dict.fromkeys(("rise", "gain", "jump", "surge"), +1),
    **dict.fromkeys(("fall", "dip", "slump", "slide"), -1),
}
"""How it had been forecast to move."""

LABELS = {-1: "negative", 0: "neutral", +1: "positive"}

COMPANIES = (
    *("Quorvane", "Teldrix", "Mavoluna", "Brelkamar", "Osquindo", "Trenvoldt", "Yarrovex", "Pludoria", "Kestovar"),
    *("Dwinlowe", "Fennabrix", "Gralmunda", "Hovintra", "Jurbeck", "Lomvasa", "Nirquell", "Pazendor", "Rulvique"),
    *("Sprantol", "Uxmorley", "Vettigan", "Wolbrath", "Zandrupe", "Ixolane"),
)
PERIODS = (
    *("January", "March", "May", "July", "September", "November"),
    *("the first quarter", "the third quarter", "the first half", "the full year"),
)

REPORTS: dict[TemplateSet, tuple[str, ...]] = {
    "seen": (
        "the {measure} at {company} {move} in {period}",
        "the {measure} of {company} in {period} {move}",
        "in {period} the {measure} of {company} {move}",
        "in {period} {company} saw how {measure} there {move}",
        "{company} says its {measure} for {period} {move}",
        "{company} says {measure} of the group {move} in {period}",
        "{company} told investors that {measure} over {period} {move}",
        "at {company} the {measure} for {period} {move}",
        "for {period} the {measure} that {company} shows {move}",
        "for {period} {company} reports {measure} which {move}",
    ),
    "held-out": (
        "over {period} the {measure} at {company} {move}",
        "{company} reports that in {period} its {measure} again {move}",
        "at {company} in {period} the {measure} of the group {move}",
        "the {measure} that {company} told investors of {move} in {period}",
    ),
}
OUTLOOKS: dict[TemplateSet, tuple[str, ...]] = {
    "seen": (
        "analysts had expected a {forecast}",
        "analysts had been looking for a {forecast}",
        "the forecast was a {forecast}",
        "the forecast of brokers had been a {forecast}",
        "the market awaited a {forecast}",
        "the market had a {forecast} in mind",
        "a {forecast} was the consensus",
        "a {forecast} had been predicted by analysts",
        "brokers had seen a {forecast} coming",
        "investors were told to await a {forecast}",
    ),
    "held-out": (
        "a {forecast} was expected by the market",
        "brokers had predicted a {forecast}",
        "the consensus of analysts was a {forecast}",
        "investors had been awaiting a {forecast}",
    ),
}
TEMPLATES: dict[TemplateSet, tuple[str, ...]] = {
    name: tuple(
        f"{first}; {second}"
        for report, outlook in product(REPORTS[name], OUTLOOKS[name])
        for first, second in ((report, outlook), (outlook, report))
    )
    for name in REPORTS
}
"""A report and an outlook in either order; the sets share words, but no clause."""


def label_of(measure: str, move: str, forecast: str) -> str:
    """The mood of a headline with these cue words: the surprise, signed by what moved."""
    surprise = (MOVES[move] - FORECASTS[forecast]) // 2
    return LABELS[MEASURES[measure] * surprise]


def headlines(rows_per_class: int, templates: TemplateSet, seed: int) -> list[dict[str, str]]:
    """Rows with the keys `text` and `label`: as many of each label, shuffled, no text twice.

    The same arguments give the same rows on every machine.

    Raises:
        InvalidInput: the templates cannot make so many headlines.
    """
    rng = Random(seed)
    rows = [
        {"text": text, "label": label}
        for label in LABELS.values()
        for text in _texts(label, rows_per_class, templates, rng)
    ]
    rng.shuffle(rows)
    return rows


def _texts(label: str, count: int, templates: TemplateSet, rng: Random) -> list[str]:
    cues = [cue for cue in product(MEASURES, MOVES, FORECASTS) if label_of(*cue) == label]
    options = (TEMPLATES[templates], COMPANIES, PERIODS, cues)
    limit = prod(map(len, options))
    if count > limit:
        raise InvalidInput(f"rows_per_class: {count} is more than the {limit} that the {templates} templates can make")
    return [_text(number, *options) for number in rng.sample(range(limit), count)]


def _text(
    number: int,
    templates: Sequence[str],
    companies: Sequence[str],
    periods: Sequence[str],
    cues: Sequence[tuple[str, str, str]],
) -> str:
    """The headline with this number, counted through all combinations: other numbers, other texts."""
    number, template = divmod(number, len(templates))
    number, company = divmod(number, len(companies))
    cue, period = divmod(number, len(periods))
    measure, move, forecast = cues[cue]
    return templates[template].format(
        company=companies[company], period=periods[period], measure=measure, move=move, forecast=forecast
    )

"""`report.html`: a run as one file that needs no network and no script."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from launcher.draw import palette
from launcher.draw.figure import Figure
from launcher.draw.scale import short, size, span
from launcher.draw.svg import svg
from launcher.evaluate.table import BASE, TUNED
from launcher.report import facts
from launcher.report.attempts import goodput
from launcher.report.changed import changed
from launcher.report.curves import curves
from launcher.report.matrices import confusion, reliability, scores
from launcher.report.record import RunRecord
from launcher.report.summary import summarise
from launcher.report.timeline import NARROW, ending, timeline

TEMPLATE = Path(__file__).with_name("page.html")
STYLE = Path(__file__).with_name("page.css")


def figures(run: RunRecord) -> dict[str, list[Figure]]:
    """Every figure of a report, by section."""
    found: dict[str, list[Figure]] = {"results": [], "curves": curves(run), "timeline": [timeline(run.attempts)]}
    if TUNED in run.metrics:
        found["results"] = [confusion(which, run.metrics[which]) for which in (BASE, TUNED)]
        found["results"] += [scores(run.metrics)]
        sure = reliability(run.metrics)
        found["results"] += [] if sure is None else [sure]
    return found


def page(run: RunRecord, drawn: dict[str, list[Figure]]) -> str:
    """The page.

    Args:
        drawn: What `figures` gives.
    """
    told, spent = summarise(run), goodput(run.attempts)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "span": span,
        "size": size,
        "short": short,
        "when": _when,
        "ending": ending,
        "svg": _svg,
        "exp": math.exp,
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        run=run,
        told=told,
        style=Markup(_style()),
        tiles=facts.tiles(run, told),
        plan=facts.plan(run.recipe, told, run),
        versions=facts.versions(),
        commands=facts.commands(run),
        drawn=drawn,
        narrow=timeline(run.attempts, NARROW),
        spent=spent,
        shares=_shares(
            spent.wall,
            [
                ("kept steps", "first", spent.kept),
                ("steps done again", "bad", spent.redone),
                ("between attempts", "second", spent.between),
                ("starting, scoring, saving", "muted", spent.other),
            ],
        ),
        changed=changed(run.predictions) if run.predictions else None,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _shares(whole: float, parts: Sequence[tuple[str, str, float]]) -> list[tuple[str, str, float, float]]:
    """(name, ink, seconds, per cent of the whole)"""
    return [(name, ink, length, 100 * length / max(whole, 1e-9)) for name, ink, length in parts]


def _svg(figure: Figure) -> Markup:
    return Markup(svg(figure))


def _when(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _style() -> str:
    light, dark = palette.variables(palette.LIGHT), palette.variables(palette.DARK)
    themes = f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return themes + palette.classes() + STYLE.read_text(encoding="utf-8")

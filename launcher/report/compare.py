"""`launcher compare`: runs side by side, as a table and for programs."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from launcher.draw.scale import short, size, span
from launcher.errors import InvalidInput
from launcher.evaluate.table import BASE, CLASSICAL, TUNED
from launcher.report.record import read_run
from launcher.report.summary import Summary, summarise
from launcher.storage.runs import find_runs

SCORES: dict[str, Callable[[Any], str]] = {
    "accuracy [95 %]": lambda each: _interval(each.accuracy, each.accuracy_low, each.accuracy_high),
    "macro-F1 [95 %]": lambda each: _interval(each.macro_f1, each.macro_f1_low, each.macro_f1_high),
    "weighted": lambda each: f"{each.weighted_f1:.3f}",
    "ECE": lambda each: "-" if each.calibration is None else f"{each.calibration.error:.3f}",
}
"""Of one model of a run; those after the second where there is room."""
ACROSS = 18
"""Columns of a terminal that a run wants across."""
ROOM = 110
"""Columns of a terminal that hold all scores."""

MODELS = {BASE: BASE, TUNED: TUNED, CLASSICAL: "TF-IDF"}
TOLD = ("name", "description", "model.", "method.kind", "method.quantization.", "strategy.", "training.precision")
"""Key paths of a recipe, or their beginnings, that a row of `COSTS` tells of."""
MOST_SWEPT = 8
"""Differences of recipes that are shown; with more of them, the runs are no sweep."""
COSTS: dict[str, Callable[[Summary], str]] = {
    "base": lambda run: run.model,
    "method": lambda run: run.method,
    "quantisation": lambda run: run.quantization,
    "strategy": lambda run: f"{run.strategy}, {run.precision}",
    "trained": lambda run: _or_dash(run.trained_parameters, short),
    "stored": lambda run: _or_dash(run.model_bytes, size),
    "steps": lambda run: f"{run.steps:,}",
    "tokens/s": lambda run: _or_dash(run.tokens_per_second, short),
    "memory": lambda run: _or_dash(run.memory_gib, lambda gib: f"{gib:.2f} GiB"),
    "wall time": lambda run: span(run.wall_s),
    "goodput": lambda run: f"{run.goodput:.0%}",
    "test loss": lambda run: _or_dash(run.test_loss, lambda loss: f"{loss:.4f}"),
    "ROUGE-L [95 %]": lambda run: _or_dash(
        run.written.get(TUNED), lambda each: _interval(each.rouge_l, each.rouge_l_low, each.rouge_l_high)
    ),
    "state": lambda run: "finished" if run.finished else "not finished",
}


def summaries(runs: Sequence[str]) -> list[Summary]:
    """A summary of each run, in the order given; a pattern stands for all the runs that fit it.

    Raises:
        InvalidInput: one of them is not there, or was never begun.
    """
    found = []
    for store in [store for run in runs for store in find_runs(run)]:
        record = read_run(store)
        if not record.attempts:
            raise InvalidInput(f"{record.location}: no attempt has opened this run yet; leave it out")
        found.append(summarise(record))
    return found


def comparison_table(runs: Sequence[Summary], width: int) -> RenderableType:
    """What each run cost, then the scores of its models; a run a row.

    Args:
        width: Columns of the terminal.
    """
    parts: list[RenderableType] = [Text("Runs", style="bold"), *_costs(runs, width)]
    scored = [run for run in runs if run.metrics]
    if scored:
        parts += [
            Text("\nScores on the test rows", style="bold"),
            _scores(scored, list(SCORES)[: None if width >= ROOM else 2]),
        ]
    if len({tuple((each.label, each.support) for each in run.metrics[TUNED].per_class) for run in scored}) > 1:
        parts.append(Text("The runs were scored on different test rows: their scores do not compare."))
    return Group(*parts)


def _scores(runs: Sequence[Summary], shown: Sequence[str]) -> Table:
    table = Table()
    for name in ("run", "model", *shown):
        table.add_column(Text(name), overflow="fold", no_wrap=name != "run")
    for run in runs:
        heading = run.run
        for model, name in MODELS.items():
            if model in run.metrics:
                table.add_row(*map(Text, [heading, name, *(SCORES[score](run.metrics[model]) for score in shown)]))
                heading = ""
        table.add_section()
    return table


def _costs(runs: Sequence[Summary], width: int) -> list[RenderableType]:
    """What the runs differ in, and a line of what they have in common; runs stand across where they are few."""
    swept = _swept(runs)
    told = {name: [write(run) for run in runs] for name, write in COSTS.items()}
    told |= swept if len(swept) <= MOST_SWEPT else {}
    differ = {name: cells for name, cells in told.items() if len({*cells}) > 1}
    same = ", ".join(f"{name} {cells[0]}" for name, cells in told.items() if name not in differ)
    common: list[RenderableType] = [Text(f"{'the same in all: ' if len(runs) > 1 else ''}{same}")] if same else []
    lines = [["", *(run.run for run in runs)], *([name, *cells] for name, cells in differ.items())]
    header, *rows = lines if len(runs) <= width // ACROSS else list(map(list, zip(*lines, strict=True)))
    table = Table()
    for name in header:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    more = (
        [Text(f"their recipes differ in {len(swept)} more fields: --json has them")] if len(swept) > MOST_SWEPT else []
    )
    return [*([table] if differ else []), *common, *more]


def _swept(runs: Sequence[Summary]) -> dict[str, list[str]]:
    """What the recipes say where they differ, by key path, but for what has a row of its own."""
    keys = list(dict.fromkeys(key for run in runs for key in run.settings if not key.startswith(TOLD)))
    told = {key: [run.settings.get(key, "-") for run in runs] for key in keys}
    return {key: cells for key, cells in told.items() if len({*cells}) > 1}


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _or_dash(value: Any, write: Callable[[Any], str]) -> str:
    return "-" if value is None else write(value)

"""Verdicts as a table that fits the terminal, and as JSON."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from launcher.doctor.verdict import Verdict

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "not here": "dim"}
FIGURE = re.compile(r"\d[\d.,]* [kMGTP]?")
WIDE = 140
"""Columns from which on the mend has a column of its own."""


def verdict_table(verdicts: Sequence[Verdict], width: int) -> Table:
    """A row for each finding; what is alike and right on several machines is one row."""
    wide = width >= WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    for name in ("check", "verdict"):
        table.add_column(name, no_wrap=True)
    table.add_column("host", overflow="fold", max_width=24 if wide else 14)
    table.add_column("found", overflow="fold", ratio=5)
    table.add_column("expected", overflow="fold", max_width=40 if wide else 19)
    if wide:
        table.add_column("mend", overflow="fold", ratio=4)
    for each, host in _gathered(verdicts):
        state = Text(each.state, STYLES[each.state])
        cells = [Text(each.check), state, Text(host), Text(each.found), Text(each.expected)]
        table.add_row(*cells, *([Text(each.mend)] if wide else []))
        if each.mend and not wide:
            table.add_row("", "", "", Text(f"mend: {each.mend}", "italic"), "")
    return table


def show(console: Console, verdicts: Sequence[Verdict]) -> None:
    console.print(verdict_table(verdicts, console.width))
    count = {state: sum(each.state == state for each in verdicts) for state in STYLES}
    console.print()
    told = ", ".join(f"{number} {state}" for state, number in count.items() if number)
    console.print(Text(told, STYLES[worst(verdicts)]))


def as_json(verdicts: Sequence[Verdict], words: Sequence[str]) -> str:
    """Args:
    words: How to go on, a line each.
    """
    return json.dumps(
        {"verdict": worst(verdicts), "verdicts": [asdict(each) for each in verdicts], "next": list(words)}, indent=1
    )


def worst(verdicts: Iterable[Verdict]) -> str:
    found = {each.state for each in verdicts}
    return next((state for state in ("fail", "warn", "ok") if state in found), "not here")


def _gathered(verdicts: Sequence[Verdict]) -> list[tuple[Verdict, str]]:
    """With the hosts as they are shown: alike but for a figure is one row, for which the lowest stands."""
    machines = {each.host for each in verdicts if each.host}
    found: dict[tuple[str, ...], list[Verdict]] = {}
    for each in verdicts:
        kind = each.found if each.figure is None else _without_figures(each.found)
        found.setdefault((each.check, each.state, kind, each.unit, each.mend, str(not each.host)), []).append(each)
    return [(min(those, key=lambda each: each.figure or 0.0), _hosts(those, machines)) for those in found.values()]


def _without_figures(found: str) -> str:
    """What stands before a colon is a name, and may have digits."""
    name, colon, told = found.rpartition(": ")
    return f"{name}{colon}{FIGURE.sub('', told)}"


def _hosts(those: Sequence[Verdict], machines: set[str]) -> str:
    hosts = dict.fromkeys(each.host for each in those)
    return f"all {len(hosts)}" if len(hosts) > 1 and set(hosts) == machines else ", ".join(hosts)

"""A data report for a reader, at 80 columns, and for a program."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from launcher.data.checks.check import DataReport
from launcher.data.checks.lengths import Bar, Lengths
from launcher.data.checks.shown import Passage, Shown

WIDTH = 80
BAR = 40
MARGINS = {True: "  > ", False: "  . "}
"""Before lines that the loss counts, and before those it does not."""
HEAD, TAIL = 240, 160
"""Characters of a passage that are shown of its beginning and its end."""
DIM = "\x1b[2m{}\x1b[0m"


def report_lines(report: DataReport, *, colour: bool = False) -> list[str]:
    """Lengths, findings and examples.

    Args:
        colour: Dim what the loss does not count, for a terminal.
    """
    if report.lengths is None:
        return ["data      prepared already: there are no rows to look at"]
    looked_at = "all" if report.sampled == report.rows else "a sample of"
    lines = [f"data      {looked_at} {report.sampled:,} rows to train on"]
    if report.sampled != report.rows:
        lines[0] += f", out of {report.rows:,}"
    lines += _histogram(report.lengths, report.max_length, report.sampled)
    for each in report.findings:
        told = plain(f"{each.verdict:<4}  {each.name}: {each.figure}")
        lines += textwrap.wrap(told, WIDTH, subsequent_indent="      ")
        lines += textwrap.wrap(plain(each.mend), WIDTH, initial_indent="      -> ", subsequent_indent="         ")
    for number, example in enumerate(report.examples, 1):
        lines += _example(number, example, colour=colour)
    return lines


def report_dict(report: DataReport) -> dict[str, Any]:
    """The same for a program."""
    return asdict(report) | {"verdict": report.verdict}


def plain(text: str) -> str:
    """A text that does nothing to a terminal: control characters and invisible ones as their escapes."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _histogram(lengths: Lengths, max_length: int, rows: int) -> list[str]:
    lines = [
        f"lengths   tokens a row: median {lengths.median:,}, 95 of 100 up to {lengths.most:,}, "
        f"longest {lengths.longest:,}"
    ]
    names = [f"{bar.first:,} to {bar.last:,}" if bar.last else f"{bar.first:,} or more" for bar in lengths.bars]
    width, most = max(map(len, names)), max(bar.rows for bar in lengths.bars)
    for name, bar in zip(names, lengths.bars, strict=True):
        drawn = "#" * -(-bar.rows * BAR // most)
        cut = "  <- max_length" if _holds(bar, max_length) else ""
        lines.append(f"  {name:>{width}}  {drawn} {bar.rows / rows:.1%}{cut}".rstrip())
    return lines


def _holds(bar: Bar, length: int) -> bool:
    return bar.first <= length and (bar.last is None or length <= bar.last)


def _example(number: int, example: Shown, *, colour: bool) -> Iterator[str]:
    cut = ", cut" if example.truncated else ""
    counted = f"{example.label_tokens:,} counted (>)"
    yield f"example {number}: {example.tokens:,} tokens{cut}, of which {counted}"
    for passage in example.passages:
        for line in _passage(passage):
            yield line if passage.counted or not colour else DIM.format(line)


def _passage(passage: Passage) -> Iterator[str]:
    text, margin = plain(_shortened(passage.text)), MARGINS[passage.counted]
    for line in text.split("\n"):
        wrapped = textwrap.wrap(line, WIDTH - len(margin), break_on_hyphens=False)
        yield from [margin + each for each in wrapped] or [margin]


def _shortened(text: str) -> str:
    if len(text) <= HEAD + TAIL + 40:
        return text
    return f"{text[:HEAD]} [... {len(text) - HEAD - TAIL:,} characters ...] {text[-TAIL:]}"

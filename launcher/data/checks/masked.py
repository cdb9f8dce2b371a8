"""Rows without anything to learn."""

from collections.abc import Iterator, Sequence

from launcher.data.checks.encoded import EncodedRow
from launcher.data.checks.finding import Finding, judged, part


def check_masked(rows: Sequence[EncodedRow]) -> Iterator[Finding]:
    masked = sum(row.masked for row in rows)
    tokens = sum(len(each.input_ids) for row in rows for each in row.trained)
    counted = sum(each.label_tokens for row in rows for each in row.trained)
    told = f"; {counted / tokens:.1%} of all tokens count" if tokens else ""
    figure = f"{part(masked, len(rows))} rows have no label that counts{told}"
    yield judged("all masked", masked / len(rows), figure)

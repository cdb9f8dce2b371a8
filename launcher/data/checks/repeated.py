"""Rows that say what another says, among those to train on and between them and the rows to judge by."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice

from launcher.data.checks.finding import Finding, judged, part
from launcher.data.checks.sample import draw
from launcher.data.dataset import Dataset
from launcher.data.encode import whole_text
from launcher.data.fields import input_fields, written_fields
from launcher.data.rows import Row
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat, Task

COMPARED = 200_000
"""Rows of a source that are compared, at the most."""
_WORD = re.compile(r"\w+")


def normalised(text: str) -> str:
    """Its words in lower case: what stays alike when case, spacing, punctuation or the form of letters differ."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_WORD.findall(folded)) or folded.strip()


def check_repeated(dataset: Dataset, recipe: Recipe) -> Iterator[Finding]:
    """Repeated rows, and rows to test and validate on that stand among those to train on."""
    reads = input_fields(recipe.task)
    held = len(dataset.train) + len(dataset.test) + len(dataset.validation)
    if dataset.dropped:
        figure = f"{part(dataset.dropped, held + dataset.dropped)} rows were repeated, contradictory, or also in test"
        yield judged("left out", dataset.dropped / (held + dataset.dropped), figure)
    train = list(islice(dataset.train, COMPARED))
    among = "" if len(train) == len(dataset.train) else f" among the first {len(train):,}"
    said = list(_words(train, recipe.task, [*reads, *written_fields(recipe.task)]))
    again = len(said) - len(set(said))
    figure = f"{part(again, len(train))} rows to train on say what one before them says{among}"
    yield judged("duplicates", again / len(train), figure)
    known = set(_words(train, recipe.task, reads))
    for name, rows in (("test in train", dataset.test), ("validation in train", dataset.validation)):
        if rows:
            looked_at = draw(rows, COMPARED).rows
            inside = sum(each in known for each in _words(looked_at, recipe.task, reads))
            figure = f"{part(inside, len(looked_at))} rows stand in data.train too{among}, but for case and punctuation"
            yield judged(name, inside / len(looked_at), figure)


def _words(rows: Iterable[Row], task: Task, fields: list[str]) -> Iterator[int]:
    """A hash of 64 bits for what each row says in these fields."""
    for row in rows:
        texts = [whole_text(row, task)] if isinstance(task, Chat) else [row.fields[name] for name in fields]
        yield hash("\n".join(map(normalised, texts)))

"""De-duplication, then a seeded split with exact counts a class."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from launcher.data.rows import Rows
from launcher.errors import InvalidInput
from launcher.recipe.data import Split


class Parts(NamedTuple):
    """What a split drew."""

    train: Rows
    test: Rows
    validation: Rows


def deduplicate(rows: Rows) -> Rows:
    """The first of each text, in order; texts that carry two labels are left out, as neither can be believed."""
    _, first, text = np.unique(rows.digests, return_index=True, return_inverse=True)
    contested = np.zeros(len(first), dtype=bool)
    contested[text[rows.label_numbers != rows.label_numbers[first][text]]] = True
    return rows.take(np.sort(first[~contested]))


def without(rows: Rows, *others: Rows) -> Rows:
    """The rows whose text is in none of the others."""
    for other in others:
        rows = rows.take(~np.isin(rows.digests, other.digests))
    return rows


def stratified_split(rows: Rows, split: Split, labels: Sequence[str | None] = (None,)) -> Parts:
    """Parts with the same count of every class, drawn and mixed by `split.seed`; or train rows with all the rest.

    Args:
        labels: every class there is; rows of a task without labels are one class, None.

    Raises:
        InvalidInput: a class has fewer rows than the split asks for.
    """
    by_label: dict[str | None, list[int]] = {label: [] for label in sorted(labels, key=str)}
    for place, label in enumerate(rows.labels):
        by_label[label].append(place)
    generator = random.Random(split.seed)
    drawn: tuple[list[int], ...] = ([], [], [])
    for label, members in by_label.items():
        counts = _counts(label, len(members), split)
        chosen = iter(generator.sample(members, sum(counts)))
        for part, count in zip(drawn, counts, strict=True):
            part.extend(next(chosen) for _ in range(count))
    for part in drawn:
        generator.shuffle(part)
    return Parts(*map(rows.take, drawn))


def _counts(label: str | None, available: int, split: Split) -> tuple[int, int, int]:
    """Rows of a class to train, test and validate on."""
    test, validation = split.test_per_class, split.validation_per_class
    rest = available - test - validation
    train = rest if split.train_per_class is None else split.train_per_class
    if not 0 < train <= rest:
        source = "data.train" if label is None else f"class {label!r}"
        asked = " + ".join(str(count) for count in (split.train_per_class, test, validation) if count)
        beside = " besides rows to train on" if split.train_per_class is None else ""
        raise InvalidInput(
            f"data.split: {source} has {available} rows to draw from, but {asked} are asked for{beside}; ask for fewer"
        )
    return train, test, validation

"""De-duplication, then a seeded split with exact counts a class."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from launcher.errors import InvalidInput
from launcher.recipe.data import Split


@dataclass(frozen=True, slots=True)
class Row:
    """One training or test row: the fields its templates use, and its label's name where the task has labels."""

    fields: dict[str, str]
    label: str | None

    @property
    def text(self) -> str:
        """The fields as one text: what predictions are listed under and a classical model reads."""
        return "\n".join(self.fields.values())


def deduplicate(rows: list[Row]) -> list[Row]:
    """The first of each text, in order; texts that carry two labels are left out, as neither can be believed."""
    labels: dict[tuple[str, ...], set[str | None]] = {}
    for row in rows:
        labels.setdefault(tuple(row.fields.values()), set()).add(row.label)
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        text = tuple(row.fields.values())
        if len(labels[text]) == 1:
            first.setdefault(text, row)
    return list(first.values())


def stratified_split(
    rows: list[Row], split: Split, labels: Sequence[str | None] = (None,)
) -> tuple[list[Row], list[Row]]:
    """Train and test rows with the same count of every class, drawn and mixed by `split.seed`.

    Args:
        labels: every class there is; rows of a task without labels are one class, None.

    Raises:
        InvalidInput: a class has fewer rows than the split asks for.
    """
    by_label: dict[str | None, list[Row]] = {label: [] for label in sorted(labels, key=str)}
    for row in rows:
        by_label[row.label].append(row)
    generator = random.Random(split.seed)
    wanted = split.train_per_class + split.test_per_class
    train: list[Row] = []
    test: list[Row] = []
    for label, members in by_label.items():
        if len(members) < wanted:
            source = "data.train" if label is None else f"class {label!r}"
            raise InvalidInput(
                f"data.split: {source} has {len(members)} rows to draw from, but "
                f"{split.train_per_class} + {split.test_per_class} are asked for; ask for fewer"
            )
        drawn = generator.sample(members, wanted)
        train += drawn[: split.train_per_class]
        test += drawn[split.train_per_class :]
    generator.shuffle(train)
    generator.shuffle(test)
    return train, test

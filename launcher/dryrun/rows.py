"""The data of a dry run: a few rows of each source, in files of their own, in the same arrangement as the recipe's."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher.data.dataset import TEST, VALIDATION, Names
from launcher.data.fields import label_names
from launcher.data.rows import Row
from launcher.dryrun.sample import sample
from launcher.recipe.data import Data, Jsonl, MixedSource, Mixture, Split
from launcher.recipe.recipe import Recipe

TO_TRAIN, TO_JUDGE = 32, 6
"""Rows of a source, or one or two a label where there are many."""


@dataclass(slots=True)
class FewRows:
    train: list[Row] = field(default_factory=list)
    seen: dict[str, tuple[Row, ...]] = field(default_factory=dict)
    """Real rows as long as they are, by the key path of the source that gave them."""
    generated: dict[str, str] = field(default_factory=dict)
    """Key paths of those that gave none or too few, and why."""


def few_rows(recipe: Recipe, folder: Path) -> tuple[Data, FewRows]:
    """The recipe's data with files in place of its sources, and what is in them.

    Args:
        folder: For the files.

    Raises:
        InvalidInput: a source was reached and cannot be read, or does not hold what the recipe says.
    """
    data, labels, few = recipe.data, len(label_names(recipe.task) or [None]), FewRows()
    judged = max(1, TO_JUDGE // labels)
    split = None if data.split is None else _fewer(data.split, judged)
    cut = 0 if split is None else split.test_per_class + split.validation_per_class

    def taken(path: str, one: MixedSource, each: int) -> tuple[Jsonl, list[Row]]:
        names = Names(_or(one.fields, data.fields), _or(one.labels, data.labels), path if one.fields else "data")
        found = sample(one.source, recipe, path, names, each)
        if found.seen:
            few.seen[path] = found.seen
        if found.why is not None:
            few.generated[path] = found.why
        return _written(found.rows, folder / f"{path}.jsonl"), found.rows

    mixed = {}
    for path, one in data.train_sources.items():
        file, rows = taken(path, one, max(2, TO_TRAIN // labels) + cut)
        few.train += rows
        mixed[path.rpartition(".")[2]] = MixedSource(source=file, weight=one.weight)
    changes: dict[str, Any] = {"fields": {}, "labels": {}, "numbers_as_text": False, "split": split}
    changes["train"] = Mixture(kind="mixture", sources=mixed) if isinstance(data.train, Mixture) else file
    for path, source in ((TEST, data.test), (VALIDATION, data.validation)):
        if source is not None:
            changes[path.rpartition(".")[2]], _ = taken(path, MixedSource(source=source, weight=1.0), judged)
    return data.model_copy(update=changes), few


def _fewer(split: Split, judged: int) -> Split:
    counts = {name: min(judged, getattr(split, name)) for name in ("test_per_class", "validation_per_class")}
    return split.model_copy(update={**counts, "train_per_class": None})


def _or(own: dict[str, str] | None, common: dict[str, str]) -> dict[str, str]:
    return common if own is None else own


def _written(rows: Sequence[Row], path: Path) -> Jsonl:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({**row.fields, **({} if row.label is None else {"label": row.label})}) + "\n")
    return Jsonl(kind="jsonl", url=str(path))

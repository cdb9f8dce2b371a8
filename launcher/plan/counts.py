"""How many rows there are to train and test on, read or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from launcher.data.dataset import Dataset
from launcher.data.fields import label_names
from launcher.data.prepared.manifest import Totals
from launcher.model.fetch import is_local
from launcher.plan.published import published_rows
from launcher.recipe.data import Files, HuggingFace, Prepared, Source, Split
from launcher.recipe.recipe import Recipe

LOCAL = ("file", "local", "memory")
"""Schemes of URLs that ask no network."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    train: int | None
    """Documents to train on; None where nobody knows."""
    test: int | None = None
    validation: int | None = 0
    dropped: int = 0
    """That de-duplication left out; it sees rows only where they are read."""
    tokens: int | None = None
    """Of all documents, where they are prepared."""
    known: Literal["read", "published", "given", "unknown"] = "read"
    """Where the numbers are from."""


def count_read(dataset: Dataset, prepared: Sequence[Totals] = ()) -> RowCounts:
    """Rows that were read, and documents that were prepared."""
    return RowCounts(
        train=len(dataset.train) + sum(each.documents for each in prepared),
        test=len(dataset.test),
        validation=len(dataset.validation),
        dropped=dataset.dropped,
        tokens=None if dataset.train else sum(each.tokens for each in prepared),
    )


def count_unread(recipe: Recipe, given: int | None = None) -> RowCounts | None:
    """What is known of rows that a plan does not read: those behind a network, or whose number is given.

    Args:
        given: Documents to train on, by the user's word.

    Returns:
        None where all rows are on this machine, to be read.
    """
    if given is not None:
        return RowCounts(given, None, None, known="given")
    data = recipe.data
    sources: list[Source | Prepared] = [one.source for one in data.train_sources.values()]
    judged = [each for each in (data.test, data.validation) if each is not None]
    if not any(map(_is_remote, [*sources, *judged])):
        return None
    rows = [_published(source) for source in sources]
    if None in rows:
        return RowCounts(None, None, None, known="unknown")
    train, test = sum(filter(None, rows)), _published(data.test)
    validation = 0 if data.validation is None else _published(data.validation)
    if data.split is not None:
        return _cut(train, data.split, len(label_names(recipe.task) or [None]), test, validation)
    return RowCounts(train, test, validation, known="published")


def _cut(train: int, split: Split, labels: int, test: int | None, validation: int | None) -> RowCounts:
    """Rows after a split, where every class has as many rows as it asks for."""
    cut = labels * split.test_per_class, labels * split.validation_per_class
    rest = train - sum(cut) if split.train_per_class is None else labels * split.train_per_class
    return RowCounts(rest, cut[0] or test, cut[1] or validation, known="published")


def _published(source: Source | Prepared | None) -> int | None:
    return published_rows(source) if isinstance(source, HuggingFace) else None


def _is_remote(source: Source | Prepared) -> bool:
    """Whether its rows lie behind a network. The manifest of prepared data is small, and read in any case."""
    if isinstance(source, HuggingFace):
        return not is_local(source.dataset)
    urls = source.url if isinstance(source, Files) else []
    return any(
        "://" in url and url.partition("://")[0] not in LOCAL for url in ([urls] if isinstance(urls, str) else urls)
    )

"""The rows a recipe trains, validates and tests on: read, named, de-duplicated, split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from launcher.data.fields import MESSAGES, input_fields, label_names, written_fields
from launcher.data.messages import read_messages
from launcher.data.rows import Row, Rows
from launcher.data.sources.read import iter_rows
from launcher.data.sources.values import Columns, as_text
from launcher.data.split import deduplicate, stratified_split, without
from launcher.errors import InvalidInput
from launcher.recipe.data import Data, Source
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to train on, rows to test on, and rows to evaluate on while training."""

    train: Sequence[Row]
    test: Sequence[Row]
    dropped: int
    """Rows that de-duplication left out."""
    validation: Sequence[Row] = ()
    """Empty where the recipe asks for none."""


def load_dataset(recipe: Recipe) -> Dataset:
    """Read a recipe's sources, each once; rows stand in a temporary file, so that they need not fit into memory.

    Raises:
        InvalidInput: a source cannot be read, or does not hold what the recipe says.
    """
    data = recipe.data
    train, test, validation = (
        Rows.of(named_rows(source, recipe, path) if source is not None else ())
        for path, source in (("data.train", data.train), ("data.test", data.test), ("data.validation", data.validation))
    )
    read = len(train) + len(test) + len(validation)
    if data.deduplicate:
        test = deduplicate(test)
        validation = without(deduplicate(validation), test)
        train = without(deduplicate(train), test, validation)
    kept = len(train) + len(test) + len(validation)
    for path, source, rows in (
        ("data.train", data.train, train),
        ("data.test", data.test, test),
        ("data.validation", data.validation, validation),
    ):
        if source is not None and not rows:
            raise InvalidInput(f"{path}: de-duplication leaves no row; say data.deduplicate: false")
    if data.split is not None:
        drawn = stratified_split(train, data.split, label_names(recipe.task) or [None])
        train, test, validation = drawn.train, test or drawn.test, validation or drawn.validation
    return Dataset(train, test, dropped=read - kept, validation=validation)


def named_rows(source: Source, recipe: Recipe, path: str) -> Iterator[Row]:
    """Rows of a source under the names that the task reads, one in memory at a time.

    Args:
        path: The source's key path, for messages.

    Raises:
        InvalidInput: the source cannot be read, or a row does not hold what the recipe says.
    """
    data, task = recipe.data, recipe.task
    inputs, labels = input_fields(task), label_names(task)
    columns = {name: data.fields.get(name, name) for name in dict.fromkeys([*inputs, *written_fields(task)])}
    label_column = data.fields.get("label", "label")
    for number, row in enumerate(iter_rows(source), 1):
        place = f"{path}: row {number}"
        fields = {name: _text(row, column, place, numbers=data.numbers_as_text) for name, column in columns.items()}
        if not any(fields[name].strip() for name in inputs):
            blank = ", ".join(repr(columns[name]) for name in inputs)
            raise InvalidInput(f"{place}: nothing to read in {blank}; remove the row, or fill it in")
        if isinstance(task, Chat):
            read_messages(fields[MESSAGES], place)  # a broken conversation is told by its row
        label = None
        if labels is not None:
            label = _label(_text(row, label_column, place, numbers=True), data, labels, place)
        yield Row(fields, label)


def _text(row: Columns, column: str, place: str, *, numbers: bool) -> str:
    if column not in row:
        raise InvalidInput(
            f"{place}: no column {column!r} among {', '.join(row)}; name it under data.fields, "
            "or give columns: for a file without a header line"
        )
    try:
        return as_text(row[column], numbers)
    except ValueError as error:
        raise InvalidInput(f"{place}: column {column!r} holds {error}") from None


def _label(written: str, data: Data, labels: list[str], place: str) -> str:
    label = data.labels.get(written, written)
    if written.startswith("["):
        raise InvalidInput(
            f"{place}: {written[:40]!r} are several labels, and one a row is what can be learnt; give one"
        )
    if label not in labels:
        raise InvalidInput(f"{place}: label {written!r} is not among {', '.join(labels)}; map it under data.labels")
    return label

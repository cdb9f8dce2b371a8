"""The rows a recipe trains and tests on: read, named, de-duplicated, split."""

from dataclasses import dataclass

from launcher.data.rows import Columns, read_rows
from launcher.data.split import Row, deduplicate, stratified_split
from launcher.errors import InvalidInput
from launcher.recipe.data import Data
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Instruction, SequenceClassification, Task, template_fields


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to train on and rows to test on."""

    train: list[Row]
    test: list[Row]
    dropped: int
    """Rows that de-duplication left out."""


def label_names(task: Task) -> list[str] | None:
    """The task's labels in the order of its scores, or None for free text."""
    if isinstance(task, SequenceClassification):
        return task.labels
    return list(task.label_words) if task.label_words is not None else None


def input_fields(task: Task) -> list[str]:
    """Fields that the model reads, in order, without those it is to write."""
    return list(dict.fromkeys(template_fields(task.prompt if isinstance(task, Instruction) else task.text)))


def load_dataset(recipe: Recipe) -> Dataset:
    """Read a recipe's sources.

    Raises:
        InvalidInput: a source cannot be read, or does not hold what the recipe says.
    """
    data = recipe.data
    train = _named(read_rows(data.train), data, recipe.task, "data.train")
    test = _named(read_rows(data.test), data, recipe.task, "data.test") if data.test is not None else []
    read = len(train) + len(test)
    if data.deduplicate:
        train, test = deduplicate(train), deduplicate(test)
        asked = {tuple(row.fields.values()) for row in test}
        train = [row for row in train if tuple(row.fields.values()) not in asked]
    kept = len(train) + len(test)
    if data.split is not None:
        train, test = stratified_split(train, data.split, label_names(recipe.task) or [None])
    for path, rows in (("data.train", train), ("data.test", test)):
        if not rows:
            raise InvalidInput(f"{path}: de-duplication leaves no row; say data.deduplicate: false")
    return Dataset(train, test, dropped=read - kept)


def _named(rows: list[Columns], data: Data, task: Task, path: str) -> list[Row]:
    inputs, labels = input_fields(task), label_names(task)
    written = template_fields(task.completion) if isinstance(task, Instruction) and labels is None else []
    columns = {name: data.fields.get(name, name) for name in dict.fromkeys([*inputs, *written])}
    label_column = data.fields.get("label", "label")
    needed = [*columns.values(), *([label_column] if labels is not None else [])]
    named = []
    for number, row in enumerate(rows, 1):
        place = f"{path}: row {number}"
        _check_columns(row, needed, place)
        fields = {name: row[column] for name, column in columns.items()}
        if not any(fields[name].strip() for name in inputs):
            blank = ", ".join(repr(columns[name]) for name in inputs)
            raise InvalidInput(f"{place}: nothing to read in {blank}; remove the row, or fill it in")
        label = _label(row[label_column], data, labels, place) if labels is not None else None
        named.append(Row(fields, label))
    return named


def _check_columns(row: Columns, needed: list[str], place: str) -> None:
    for column in needed:
        if column not in row:
            raise InvalidInput(
                f"{place}: no column {column!r} among {', '.join(row)}; name it under data.fields, "
                "or give columns: for a file without a header line"
            )


def _label(written: str, data: Data, labels: list[str], place: str) -> str:
    label = data.labels.get(written, written)
    if label not in labels:
        raise InvalidInput(f"{place}: label {written!r} is not among {', '.join(labels)}; map it under data.labels")
    return label

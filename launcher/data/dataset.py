"""The rows a recipe trains, validates and tests on: read, named, de-duplicated, split."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from launcher.data.fields import MESSAGES, input_fields, label_names, written_fields
from launcher.data.messages import read_messages
from launcher.data.rows import Row, Rows
from launcher.data.sources.joined import joined
from launcher.data.sources.read import iter_rows
from launcher.data.sources.values import Columns, as_text
from launcher.data.split import deduplicate, stratified_split, without
from launcher.errors import InvalidInput
from launcher.recipe.data import Data, Prepared, Source
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat

TRAIN, TEST, VALIDATION = "data.train", "data.test", "data.validation"


@dataclass(frozen=True, slots=True)
class TrainSource:
    """Something to train on: rows, or a prepared data set."""

    path: str
    """Its key path, such as `data.train` or, in a mixture, `data.train.sources.news`."""
    weight: float
    """Its share of the mixture, in proportion to other weights."""
    rows: Rows | None = None
    """None where they are prepared."""
    prepared: str | None = None
    """Path or URL of the prepared data set, as the recipe gives it."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to train on, rows to test on, and rows to evaluate on while training."""

    train: Sequence[Row]
    """The rows of all sources, one after another; prepared ones have none."""
    test: Sequence[Row]
    dropped: int
    """Rows that de-duplication left out."""
    validation: Sequence[Row] = ()
    """Empty where the recipe asks for none."""
    sources: tuple[TrainSource, ...] = ()
    """Where training rows come from: one source, or the mixture's in the order of their names."""


@dataclass(frozen=True, slots=True)
class Names:
    """How a source calls what the task reads."""

    fields: Mapping[str, str]
    labels: Mapping[str, str]
    place: str = "data"
    """The section of the recipe that says so."""


def load_dataset(recipe: Recipe) -> Dataset:
    """Read a recipe's sources, each once; rows stand in a temporary file, so that they need not fit into memory.

    Each source to train on is de-duplicated by itself, and against the rows to test and validate on.

    Raises:
        InvalidInput: a source cannot be read, or does not hold what the recipe says.
    """
    data = recipe.data
    read = {path: Rows.of(named_rows(source, recipe, path, names)) for path, source, names in _to_read(data)}
    parts = _deduplicated(read) if data.deduplicate else read
    dropped = sum(map(len, read.values())) - sum(map(len, parts.values()))
    for path, rows in parts.items():
        if not rows:
            raise InvalidInput(f"{path}: de-duplication leaves no row; say data.deduplicate: false")
    if data.split is not None:
        drawn = stratified_split(parts[TRAIN], data.split, label_names(recipe.task) or [None])
        parts = {TEST: drawn.test, VALIDATION: drawn.validation, **parts, TRAIN: drawn.train}
    sources = tuple(
        TrainSource(path, one.weight, parts.get(path), one.source.url if isinstance(one.source, Prepared) else None)
        for path, one in data.train_sources.items()
    )
    train = joined([source.rows for source in sources if source.rows is not None])
    none = Rows.of(())
    return Dataset(train, parts.get(TEST, none), dropped, parts.get(VALIDATION, none), sources)


def _to_read(data: Data) -> Iterator[tuple[str, Source, Names]]:
    """Each source of rows, with its key path and what it calls its columns."""
    names = Names(data.fields, data.labels)
    for path, one in data.train_sources.items():
        if not isinstance(one.source, Prepared):
            fields = data.fields if one.fields is None else one.fields
            labels = data.labels if one.labels is None else one.labels
            yield path, one.source, Names(fields, labels, "data" if path == TRAIN else path)
    for path, source in ((TEST, data.test), (VALIDATION, data.validation)):
        if source is not None:
            yield path, source, names


def _deduplicated(read: Mapping[str, Rows]) -> dict[str, Rows]:
    """Rows to test on come before those to validate on, and both before those to train on."""
    kept: dict[str, Rows] = {}
    for path in sorted(read, key=lambda path: (path != TEST, path != VALIDATION)):
        judged = [kept[other] for other in (TEST, VALIDATION) if other in kept]
        kept[path] = without(deduplicate(read[path]), *judged)
    return {path: kept[path] for path in read}


def named_rows(source: Source, recipe: Recipe, path: str, names: Names) -> Iterator[Row]:
    """Rows of a source under the names that the task reads, one in memory at a time.

    Args:
        path: The source's key path, for messages.

    Raises:
        InvalidInput: the source cannot be read, or a row does not hold what the recipe says.
    """
    task, labels = recipe.task, label_names(recipe.task)
    label_column = names.fields.get("label", "label")
    for place, row, fields in _named(source, recipe, path, names, written_fields(task)):
        if isinstance(task, Chat):
            read_messages(fields[MESSAGES], place)  # a broken conversation is told by its row
        label = None
        if labels is not None:
            label = _label(_text(row, label_column, place, names, numbers=True), names, labels, place)
        yield Row(fields, label)


def unanswered_rows(source: Source, recipe: Recipe, path: str) -> Iterator[Row]:
    """Rows with what the model reads alone, of which nobody need know the answer; of a chat, the user's message.

    Raises:
        InvalidInput: the source cannot be read, or a row does not hold what the task reads.
    """
    names = Names(recipe.data.fields, recipe.data.labels)
    for _, _, fields in _named(source, recipe, path, names, []):
        yield Row(fields, None)


def _named(
    source: Source, recipe: Recipe, path: str, names: Names, written: Sequence[str]
) -> Iterator[tuple[str, Columns, dict[str, str]]]:
    """Each row's place, its columns, and the fields that the task reads and those written."""
    inputs, numbers = input_fields(recipe.task), recipe.data.numbers_as_text
    columns = {name: names.fields.get(name, name) for name in dict.fromkeys([*inputs, *written])}
    for number, row in enumerate(iter_rows(source), 1):
        place = f"{path}: row {number}"
        fields = {name: _text(row, column, place, names, numbers=numbers) for name, column in columns.items()}
        if not any(fields[name].strip() for name in inputs):
            blank = ", ".join(repr(columns[name]) for name in inputs)
            raise InvalidInput(f"{place}: nothing to read in {blank}; remove the row, or fill it in")
        yield place, row, fields


def _text(row: Columns, column: str, place: str, names: Names, *, numbers: bool) -> str:
    if column not in row:
        raise InvalidInput(
            f"{place}: no column {column!r} among {', '.join(row)}; name it under {names.place}.fields, "
            "or give columns: for a file without a header line"
        )
    try:
        return as_text(row[column], numbers)
    except ValueError as error:
        raise InvalidInput(f"{place}: column {column!r} holds {error}") from None


def _label(written: str, names: Names, labels: list[str], place: str) -> str:
    label = names.labels.get(written, written)
    if written.startswith("["):
        raise InvalidInput(
            f"{place}: {written[:40]!r} are several labels, and one a row is what can be learnt; give one"
        )
    if label not in labels:
        known = ", ".join(labels)
        raise InvalidInput(f"{place}: label {written!r} is not among {known}; map it under {names.place}.labels")
    return label

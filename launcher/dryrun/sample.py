"""A few rows of one source: real ones where they can be had, else generated ones."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from textwrap import shorten

from launcher.data.dataset import Names, named_rows
from launcher.data.fields import MESSAGES, label_names
from launcher.data.messages import read_messages
from launcher.data.prepared.verify import read_manifest
from launcher.data.rows import Row
from launcher.dryrun.generated import generated_rows
from launcher.dryrun.reach import WITHIN_S, unreachable, within
from launcher.errors import InvalidInput, LauncherError
from launcher.recipe.data import Files, HuggingFace, Prepared, Source
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat
from launcher.storage.store import Store

LOOKED_AT = 1000
"""Rows of a source, at the most."""
LONGEST = 200
"""Characters of a text; of a longer one its beginning and its end."""
TURNS = 3
"""Messages of a conversation, without the system's."""
SLICE = re.compile(r"\[[^\]]*\]")
"""What cuts a split of the hub, and is not known where rows are streamed."""


@dataclass(frozen=True, slots=True)
class Sample:
    rows: list[Row]
    """The real ones first."""
    seen: tuple[Row, ...] = ()
    """All real rows that were looked at, as long as they are."""
    why: str | None = None
    """Why some are generated, or all."""


def sample(source: Source | Prepared, recipe: Recipe, path: str, names: Names, each: int) -> Sample:
    """So many rows of each label, texts cut short, read through the recipe's own names for columns and labels.

    Args:
        path: The source's key path.

    Raises:
        InvalidInput: the source was reached and cannot be read, or does not hold what the recipe says.
    """
    read, remote = partial(_first, source, recipe, path, names), _is_remote(source)
    try:
        seen = within(WITHIN_S, read) if remote else read()
    except (LauncherError, TimeoutError) as error:
        if not (remote and unreachable(error)):
            raise
        return Sample(_filled([], recipe, path, each), why=shorten(str(error), 120))
    real = _few(seen, recipe, each)
    rows = _filled(real, recipe, path, each)
    if isinstance(source, Prepared):
        return Sample(rows, why="prepared data are tokens of the real tokenizer; only their manifest was read")
    lacking = sorted({str(row.label) for row in rows[len(real) :]})
    where = f" of {', '.join(lacking)}" if label_names(recipe.task) else ""
    return Sample(rows, tuple(seen), f"too few{where} among its first {LOOKED_AT:,} rows" if lacking else None)


def _first(source: Source | Prepared, recipe: Recipe, path: str, names: Names) -> list[Row]:
    if isinstance(source, Prepared):
        task = read_manifest(Store.open(source.url)).task
        if task != recipe.task.kind:
            raise InvalidInput(
                f"{path}: {source.url} was prepared for task {task}, and the recipe's is {recipe.task.kind}"
            )
        return []
    return list(islice(named_rows(_streamed(source), recipe, path, names), LOOKED_AT))


def _few(rows: Sequence[Row], recipe: Recipe, each: int) -> list[Row]:
    """The first of each label, each text once."""
    left = _wanted(recipe, each)
    found: dict[str, Row] = {}
    for row in rows:
        short = Row(_short(row.fields, recipe), row.label)
        if left[row.label] and short.text not in found:
            found[short.text] = short
            left[row.label] -= 1
    return list(found.values())


def _wanted(recipe: Recipe, each: int) -> dict[str | None, int]:
    """Rows of each label; those of a task without labels are one class, None."""
    labels: Iterable[str | None] = label_names(recipe.task) or (None,)
    return dict.fromkeys(labels, each)


def _filled(real: list[Row], recipe: Recipe, path: str, each: int) -> list[Row]:
    """The real rows, and generated ones after them where a label has too few."""
    left = _wanted(recipe, each)
    for row in real:
        left[row.label] -= 1
    made = generated_rows(recipe.task, path)
    more: list[Row] = []
    while any(left.values()):
        row = next(made)
        if left[row.label]:
            more.append(row)
            left[row.label] -= 1
    return [*real, *more]


def _streamed(source: Source) -> Source:
    """A data set of the hub is not fetched whole."""
    if not isinstance(source, HuggingFace):
        return source
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:  # what is in the cache stands there whole
        return source
    return source.model_copy(update={"streaming": True, "split": SLICE.sub("", source.split)})


def _is_remote(source: Source | Prepared) -> bool:
    if isinstance(source, HuggingFace):
        return True
    urls = source.url if isinstance(source, Files | Prepared) else []
    return any("://" in url for url in ([urls] if isinstance(urls, str) else urls))


def _short(fields: dict[str, str], recipe: Recipe) -> dict[str, str]:
    if not isinstance(recipe.task, Chat):
        return {name: _cut(text) for name, text in fields.items()}
    messages = read_messages(fields[MESSAGES], "data")
    first = messages[0]["role"] == "system"
    few = messages[: TURNS // 2 * 2 + first]
    told = [{**message, "content": _cut(message["content"].strip())} for message in few]
    return {MESSAGES: json.dumps(told)}


def _cut(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} {text[-half:]}".strip()

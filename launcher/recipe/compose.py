"""A file, what it extends, and overrides -> one document. Later wins; marks follow the winning value."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from launcher.recipe.aliases import without_aliases
from launcher.recipe.override import read_override
from launcher.recipe.problem import KeyPath, Problem
from launcher.recipe.schema import ANY, tagged_paths
from launcher.recipe.yaml_source import Document, paths, read_document, shown

MAX_LEVELS = 16


def compose(
    path: Path, schema: type[BaseModel], overrides: Sequence[str], problems: list[Problem], prefix: str = ""
) -> Document | None:
    """The document of a file with its `extends` and the overrides applied, in order.

    Args:
        prefix: Taken from the front of each override's key where it is there.

    Returns:
        None where one of the files could not be read; what is wrong goes to `problems` in any case.
    """
    tags = dict(tagged_paths(schema))
    document = _Files(tags, problems).resolve(path, ())
    if document is None:
        return None
    for text in overrides:
        change = read_override(text, prefix, schema, document, problems)
        if change is not None:
            document = merge(document, change, tags)
    return document


def merge(parent: Document, child: Document, tags: Mapping[KeyPath, str]) -> Document:
    """Mappings merge deeply; all else, and a section of another kind, replaces.

    Args:
        tags: The paths of sections that come in kinds, with the key that tells the kind; `ANY` in them is every key.
    """
    values = _merge_values(parent.values, child.values, tags, ())
    marks = {**parent.marks, **child.marks}
    return Document(values, {path: marks[path] for path in paths(values)})


def _merge_values(parent: Any, child: Any, tags: Mapping[KeyPath, str], path: KeyPath) -> Any:
    if not (isinstance(parent, dict) and isinstance(child, dict)):
        return child
    tag = _tag(tags, path)
    if tag in parent and tag in child and parent[tag] != child[tag]:
        return child
    merged = {
        key: _merge_values(parent[key], value, tags, (*path, key)) if key in parent else value
        for key, value in child.items()
    }
    return {**parent, **merged}


def _tag(tags: Mapping[KeyPath, str], path: KeyPath) -> str | None:
    """The key that tells the kind of a section; None where it comes in one kind."""

    def means(known: KeyPath) -> bool:
        return len(known) == len(path) and all(one in (ANY, key) for one, key in zip(known, path, strict=True))

    return next((tag for known, tag in tags.items() if means(known)), None)


@dataclass(slots=True)
class _Files:
    """Reads each file once, however many extend it."""

    tags: Mapping[KeyPath, str]
    problems: list[Problem]
    known: dict[str, Document | None] = field(default_factory=dict)

    def resolve(self, path: Path, chain: tuple[str, ...]) -> Document | None:
        identity = os.path.realpath(path)
        if identity not in self.known:
            self.known[identity] = self._read(path, (*chain, identity))
        return self.known[identity]

    def _read(self, path: Path, chain: tuple[str, ...]) -> Document | None:
        own = read_document(path, self.problems)
        if own is None:
            return None
        values = {key: value for key, value in own.values.items() if key != "extends"}
        marks = {at: mark for at, mark in own.marks.items() if at[:1] != ("extends",)}
        document: Document | None = Document({}, {(): marks[()]})
        for parent in self._parents(path, own, chain):
            document = merge(document, parent, self.tags) if document is not None and parent is not None else None
        if document is None:
            return None
        return merge(document, without_aliases(Document(values, marks), document, self.problems), self.tags)

    def _parents(self, path: Path, own: Document, chain: tuple[str, ...]) -> list[Document | None]:
        extends = own.values.get("extends", [])
        references = (
            {("extends", index): item for index, item in enumerate(extends)}
            if isinstance(extends, list)
            else {("extends",): extends}
        )
        parents = []
        for at, reference in references.items():
            trouble = _trouble(path, reference, chain)
            if trouble is not None:
                self.problems.append(Problem(own.marks[at], "extends", trouble))
            parents.append(self.resolve(path.parent / reference, chain) if trouble is None else None)
        return parents


def _trouble(path: Path, reference: Any, chain: tuple[str, ...]) -> str | None:
    """Why a file cannot extend the one it refers to."""
    if not isinstance(reference, str):
        return "expected the path of a file, or a list of paths"
    target = path.parent / reference
    if not os.path.isfile(target):
        what = "is a directory" if os.path.isdir(target) else "does not exist"
        return f"{shown(target)} {what}; paths are relative to the file that says `extends`"
    identity = os.path.realpath(target)
    if identity in chain:
        circle = [shown(Path(file)) for file in (*chain[chain.index(identity) :], identity)]
        return f"these files extend one another in a circle: {' -> '.join(circle)}"
    if len(chain) >= MAX_LEVELS:
        return f"more than {MAX_LEVELS} levels of `extends`"
    return None

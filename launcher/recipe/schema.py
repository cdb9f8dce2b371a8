"""What a pydantic schema has at a path: sections, their names, and which of a union a mapping chose."""

import difflib
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from launcher.recipe.problem import KeyPath

DISCRIMINATORS = ("kind", "backend")
"""Keys that choose a section out of several."""


def alternatives(annotation: Any) -> list[Any]:
    """The types in an annotation, with unions and `Annotated` taken apart."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [one for part in get_args(annotation) for one in alternatives(part)]
    return [annotation]


def sections(types: Iterable[Any]) -> list[type[BaseModel]]:
    return [one for one in types if isinstance(one, type) and issubclass(one, BaseModel)]


def discriminator(models: list[type[BaseModel]]) -> str | None:
    """The key that tells these sections apart, if there is one."""
    return next((key for key in DISCRIMINATORS if models and all(key in model.model_fields for model in models)), None)


def tags(model: type[BaseModel], key: str) -> tuple[str, ...]:
    return get_args(model.model_fields[key].annotation)


def chosen(models: list[type[BaseModel]], value: Any) -> list[type[BaseModel]]:
    """The section that a mapping names by its discriminator; all of them where it names none."""
    key = discriminator(models)
    named = [model for model in models if key and isinstance(value, dict) and value.get(key) in tags(model, key)]
    return named or models


def field_types(models: list[type[BaseModel]], key: str) -> list[Any]:
    """The types of a field in the sections that have it; empty where none has."""
    return [
        one for model in models if key in model.model_fields for one in alternatives(model.model_fields[key].annotation)
    ]


def values_of(mapping: Any) -> list[Any]:
    """The types of a mapping's values, whatever its keys; empty for all other types."""
    return alternatives(get_args(mapping)[1]) if get_origin(mapping) is dict else []


def field_names(models: list[type[BaseModel]]) -> list[str]:
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


ANY = "*"
"""Stands for each key of a mapping whose keys a recipe chooses."""


def tagged_paths(schema: type[BaseModel], path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each path at which a discriminator chooses a section, with the discriminator; `ANY` stands for chosen keys."""
    if key := discriminator([schema]):
        yield path, key
    for name, info in schema.model_fields.items():
        types = alternatives(info.annotation)
        for section in sections(types):
            yield from tagged_paths(section, (*path, name))
        for section in sections(one for mapping in types for one in values_of(mapping)):
            yield from tagged_paths(section, (*path, name, ANY))


def nearest(name: Any, known: Iterable[Any]) -> str | None:
    """`did you mean x?` where a known name is like the given one."""
    match = difflib.get_close_matches(str(name), [str(one) for one in known], n=1)
    return f"did you mean {match[0]}?" if match else None

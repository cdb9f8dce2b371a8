"""`a.b=c` of the command line -> a document that merges over a recipe, typed by the schema."""

from typing import Any, get_origin

from pydantic import BaseModel

from launcher.recipe.aliases import aliased, without_aliases
from launcher.recipe.explain import mend_of_unknown
from launcher.recipe.problem import OverrideMark, Problem, dotted
from launcher.recipe.scalar import plain_scalar
from launcher.recipe.schema import chosen, field_names, field_types, sections, values_of
from launcher.recipe.yaml_source import Document, parse, paths

QUOTES_AND_BRACKETS = tuple("'\"[{")
"""What a value begins with that is more than a plain scalar."""


def read_override(
    text: str, prefix: str, schema: type[BaseModel], document: Document, problems: list[Problem]
) -> Document | None:
    """What one override changes; None, and a problem, where it names nothing that the schema has.

    Args:
        document: What the override will be merged over: its kinds say which keys a section has.
    """
    mark = OverrideMark(text)
    key, equals, written = text.removeprefix(prefix).partition("=")
    path = tuple(key.split("."))
    if not equals:
        problems.append(Problem(mark, "", "expected KEY=VALUE, such as training.max_steps=100"))
        return None
    types = _types_at(aliased(path), schema, document.values)
    if isinstance(types, Problem):
        problems.append(Problem(mark, types.path, types.message, types.hint))
        return None
    value = _typed(written, types)
    if isinstance(value, Problem):
        problems.append(Problem(mark, dotted(path), value.message, value.hint))
        return None
    for step in reversed(path):
        value = {step: value}
    marks = {at: document.marks.get(at, mark) if len(at) < len(path) else mark for at in paths(value)}
    return without_aliases(Document(value, marks), document, problems)


def _typed(written: str, types: list[Any]) -> Any:
    """The value as YAML types it, but the very text where the schema takes text and nothing that YAML made of it."""
    if written[:1] not in QUOTES_AND_BRACKETS:
        value: Any = plain_scalar(written)
    else:
        parsed = parse(written.encode("utf-8", "surrogateescape"), "value")
        value = parsed.problems[0] if parsed.problems else parsed.value
    return written if str in types and type(value) not in {get_origin(one) or one for one in types} else value


def _types_at(path: tuple[str, ...], schema: type[BaseModel], values: Any) -> list[Any] | Problem:
    """The types that the schema allows at a path, or why there is nothing."""
    types: list[Any] = [schema]
    for depth, key in enumerate(path):
        here = dotted(path[: depth + 1])
        models = chosen(sections(types), values)
        in_mapping = [value for one in types for value in values_of(one)]
        if models:
            types = field_types(models, key)
        elif in_mapping:
            types = in_mapping
        else:
            return Problem(None, here, f"unknown key; {dotted(path[:depth])} holds a value, not keys")
        if not types:
            return Problem(None, here, "unknown key", mend_of_unknown(key, field_names(models)))
        values = values.get(key) if isinstance(values, dict) else None
    return types

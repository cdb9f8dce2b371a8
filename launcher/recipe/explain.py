"""pydantic's errors -> problems: the place in the file, what was expected in plain words, the nearest known name."""

from collections import defaultdict
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from launcher.recipe.elsewhere import ELSEWHERE
from launcher.recipe.problem import KeyPath, Mark, OverrideMark, Problem, dotted
from launcher.recipe.schema import alternatives, discriminator, field_names, field_types, nearest, sections, tags
from launcher.recipe.yaml_source import Document

EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "keys and values",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "a number greater than {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than": "a number less than {lt}",
    "less_than_equal": "a number of at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_attributes_type": "keys and values",
    "model_type": "keys and values",
    "string_pattern_mismatch": "text that matches {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "string_type": "text",
    "string_unicode": "text that UTF-8 can write",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
}
"""What was expected, by pydantic's type of error."""

WRONG_KEY = "[key]"
"""What pydantic puts after a key that it refuses by itself."""

S = TypeVar("S", bound=BaseModel)


def validate(schema: type[S], document: Document, problems: list[Problem]) -> S | None:
    """The section that a document describes; None, and problems, where the schema refuses it."""
    try:
        return schema.model_validate(document.values)
    except ValidationError as error:
        problems.extend(explain(error, schema, document))
        return None


def explain(error: ValidationError, schema: type[BaseModel], document: Document) -> list[Problem]:
    """One problem for each value that was refused."""
    groups: dict[KeyPath, list[tuple[ErrorDetails, _Place]]] = defaultdict(list)
    for details in error.errors(include_url=False):
        place = _Place(schema, details)
        groups[place.path].append((details, place))
    outermost = {path[:depth] for path in groups for depth in range(len(path))}
    return [_problem(group, document) for path, group in groups.items() if path not in outermost]


def mark_of(path: KeyPath, document: Document) -> Mark | OverrideMark:
    """Where a key was written, or else the nearest key above it."""
    return next(document.marks[path[:depth]] for depth in range(len(path), -1, -1) if path[:depth] in document.marks)


def mend_of_unknown(key: str | int, names: list[str]) -> str | None:
    """What to do about a key that is none of these names."""
    return ELSEWHERE.get(str(key)) or nearest(key, names)


def found(value: Any) -> str:
    """A value as a recipe writes it, and short."""
    if isinstance(value, dict | list):
        kind = "keys and values" if isinstance(value, dict) else "a list"
        return kind if value else f"an empty {'mapping' if isinstance(value, dict) else 'list'}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    written = repr(value)
    return written if len(written) <= 40 else f"{written[:36]}...{written[-1]}"


class _Place:
    """Where an error stands in the document: pydantic's location without the names of union members.

    Attributes:
        path: The keys down to the value.
        types: What the schema allows there.
        holders: The sections that the last key was looked for in.
    """

    def __init__(self, schema: type[BaseModel], details: ErrorDetails) -> None:
        self.path: KeyPath = ()
        self.types: list[Any] = [schema]
        self.holders: list[type[BaseModel]] = []
        member_named = False
        for part in details["loc"]:
            if part == WRONG_KEY:
                break
            if not member_named and len([one for one in self.types if one is not type(None)]) > 1:
                self._name_member(part)
                member_named = True
            else:
                self._descend(part)
                member_named = False
        if details["type"].startswith("union_tag_"):
            self._descend(str(discriminator(sections(self.types))))

    def _name_member(self, part: str | int) -> None:
        if key := discriminator(sections(self.types)):
            self.types = [model for model in sections(self.types) if part in tags(model, key)]

    def _descend(self, part: str | int) -> None:
        self.path = (*self.path, part)
        self.holders = sections(self.types)
        if self.holders:
            self.types = field_types(self.holders, str(part))
        else:
            inner = [get_args(one)[-1] for one in self.types if get_origin(one) in (list, dict)]
            self.types = [one for annotation in inner for one in alternatives(annotation)]


def _problem(group: list[tuple[ErrorDetails, _Place]], document: Document) -> Problem:
    """One problem out of all that pydantic says of one value: each member of a union says its own."""
    place = group[0][1]
    message, hint = _told([one for one, _ in group], place, document)
    return Problem(mark_of(place.path, document), dotted(place.path), message, hint)


def _told(group: list[ErrorDetails], place: _Place, document: Document) -> tuple[str, str | None]:
    expected = list(dict.fromkeys(_expected(one) for one in group if one["type"] in EXPECTED))
    if expected:
        given = group[0]["input"]
        return f"expected {' or '.join(expected)}, found {found(given)}", _hint(given, place)
    return _told_by_type(group[0], place, document)


def _expected(details: ErrorDetails) -> str:
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in details.get("ctx", {}).items()
    }
    return EXPECTED[details["type"]].format(**limits)


def _told_by_type(details: ErrorDetails, place: _Place, document: Document) -> tuple[str, str | None]:
    names = _names(place)
    match details["type"]:
        case "extra_forbidden":
            return "unknown key", mend_of_unknown(place.path[-1], field_names(place.holders))
        case "missing" | "union_tag_not_found":
            return "missing", f"expected {_either(names)}" if names else "this key is required"
        case "union_tag_invalid":
            tag = details["input"][place.path[-1]]
            return f"expected {_either(names)}, found {found(tag)}", nearest(tag, names)
        case "contradiction":
            other = details["ctx"]["other"]
            return details["msg"], f"{other} is given at {mark_of((*place.path[:-1], other), document)}"
        case "value_error":
            return str(details["ctx"]["error"]), None
    return details["msg"], None


def _names(place: _Place) -> list[str]:
    """The strings that may stand at a place which takes no others."""
    return [
        name for one in place.types if get_origin(one) is Literal for name in get_args(one) if isinstance(name, str)
    ]


def _hint(given: Any, place: _Place) -> str | None:
    if isinstance(given, str):
        return nearest(given, _names(place))
    return "write it in quotes" if isinstance(given, int | float) and str in place.types else None


def _either(names: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))

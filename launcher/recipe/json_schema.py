"""JSON Schema (draft 2020-12) of recipes and profiles, for editors to complete and check them."""

import copy
from typing import Any

from pydantic import BaseModel, TypeAdapter

from launcher.recipe.aliases import ALIASES, VALUES, FieldPath
from launcher.recipe.problem import dotted
from launcher.recipe.recipe import Recipe

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Json = dict[str, Any]

_EXTENDS: Json = {
    "description": "A file that this one extends, or a list of them; paths are relative to this file.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}
_NOTES = ("default", "description", "title")


def recipe_schema() -> Json:
    """The schema of a recipe's file; required keys are asked of one with a `name` and without `extends`.

    Files that others extend have no name.
    """
    schema = Recipe.model_json_schema()
    _widen_values(schema)
    _add_aliases(schema)
    return _of_files(schema, {"required": ["name"]})


def profile_schema(*kinds: type[BaseModel]) -> Json:
    """The schema of a profile's file, of any of some kinds; required keys are asked of one without `extends`."""
    if len(kinds) == 1:
        return _of_files(kinds[0].model_json_schema(), {})
    either = kinds[0]
    for kind in kinds[1:]:
        either = either | kind  # type: ignore[assignment]
    definitions: Json = TypeAdapter(either).json_schema()["$defs"]
    names = [kind.__name__ for kind in kinds]
    for name in names:
        definitions[name]["properties"] = {"extends": _EXTENDS, **definitions[name]["properties"]}
    parts = {f"{name}Part": _part(definition) for name, definition in definitions.items()}
    return {
        "$schema": DRAFT,
        "title": "Profile",
        "if": {"not": {"required": ["extends"]}},
        "then": {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in names]},
        "else": {"anyOf": [{"$ref": f"#/$defs/{name}Part"} for name in names]},
        "$defs": definitions | parts,
    }


def _of_files(schema: Json, whole: Json) -> Json:
    """Two schemas in one: of whole files, and of files that are merged with others and may lack anything."""
    definitions = schema.pop("$defs", {})
    schema["properties"] = {"extends": _EXTENDS, **schema["properties"]}
    definitions[schema["title"]] = schema
    parts = {f"{name}Part": _part(definition) for name, definition in definitions.items()}
    return {
        "$schema": DRAFT,
        "title": schema["title"],
        "if": {**whole, "not": {"required": ["extends"]}},
        "then": {"$ref": f"#/$defs/{schema['title']}"},
        "else": {"$ref": f"#/$defs/{schema['title']}Part"},
        "$defs": definitions | parts,
    }


def _part(node: Any) -> Any:
    """A schema that requires nothing: without its `kind`, a section may be any that has its keys."""
    if isinstance(node, list):
        return [_part(item) for item in node]
    if not isinstance(node, dict):
        return node
    part: Json = {}
    for key, value in node.items():
        if key == "properties":
            part[key] = {name: _part(field) for name, field in value.items()}
        elif key == "$ref":
            part[key] = f"{value}Part"
        elif key == "default":
            part[key] = value
        elif key not in ("required", "discriminator"):
            part["anyOf" if key == "oneOf" else key] = _part(value)
    return part


def _holders(schema: Json, fields: Json, path: FieldPath) -> list[Json]:
    """The properties among which the last key of a path would stand, in each kind of the sections on the way."""
    holders = [fields]
    for key in path[:-1]:
        nodes = [node for one in holders if key in one for node in one[key].get("oneOf", [one[key]])]
        holders = [schema["$defs"][node["$ref"].rpartition("/")[2]]["properties"] for node in nodes]
    return holders


def _without_notes(field: Json) -> Json:
    return {key: copy.deepcopy(value) for key, value in field.items() if key not in _NOTES}


def _widen_values(schema: Json) -> None:
    for path, meanings in VALUES.items():
        name = path[-1]
        for fields in _holders(schema, schema["properties"], path):
            notes = {key: fields[name][key] for key in _NOTES if key in fields[name]}
            others: Json = {"enum": list(meanings), "deprecated": True}
            fields[name] = {**notes, "anyOf": [_without_notes(fields[name]), others]}


def _add_aliases(schema: Json) -> None:
    for path, alias in ALIASES.items():
        *section, name = path
        inside = list(alias.field[: len(section)]) == section
        note = {"description": f"Another name of {dotted(alias.field)}.", "deprecated": True}
        for fields in _holders(schema, schema["properties"], path):
            # A kind of section has the names of its own fields only
            start, field = (fields, alias.field[len(section) :]) if inside else (schema["properties"], alias.field)
            for meant in _holders(schema, start, field):
                if field[-1] in meant:
                    fields[name] = {**(alias.takes or _without_notes(meant[field[-1]])), **note}

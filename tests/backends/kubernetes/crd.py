"""KubeRay's schema of a RayJob, as an API server applies it: unknown fields refused, defaults filled in, then judged.

Rules in CEL are not looked at: `launcher.backends.kubernetes.rules` has them in words.
"""

import functools
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from launcher.backends.kubernetes.rules import broken_rules


def refusals(manifest: dict[str, Any], shared: Path) -> list[str]:
    """All that schema and rules have against a manifest, each with its field in front."""
    schema = _schema(shared / "schemas" / "kuberay" / "ray.io_rayjobs.yaml")
    unknown = list(_unknown(manifest, schema, ""))
    filled = _with_defaults(manifest, schema)
    judged = [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(filled)
    ]
    return unknown + judged + broken_rules(filled)


@functools.cache
def _schema(path: Path) -> dict[str, Any]:
    definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    (version,) = (one for one in definition["spec"]["versions"] if one["name"] == "v1")
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def _unknown(part: Any, schema: dict[str, Any], path: str) -> Any:
    if isinstance(part, dict):
        properties = schema.get("properties", {})
        free = schema.get("x-kubernetes-preserve-unknown-fields") or (not properties and path in ("metadata", ""))
        for key, value in part.items():
            place = f"{path}.{key}" if path else key
            if key in properties:
                yield from _unknown(value, properties[key], place)
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from _unknown(value, schema["additionalProperties"], place)
            elif not free and not path.endswith("metadata"):
                yield f"{place}: unknown field"
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from _unknown(value, schema.get("items", {}), f"{path}.{index}")


def _with_defaults(part: Any, schema: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        properties = schema.get("properties", {})
        defaults = {key: one["default"] for key, one in properties.items() if "default" in one and key not in part}
        inside = {key: _with_defaults(value, properties.get(key, {})) for key, value in part.items()}
        return defaults | inside
    if isinstance(part, list):
        return [_with_defaults(value, schema.get("items", {})) for value in part]
    return part

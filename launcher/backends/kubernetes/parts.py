"""Parts of a manifest, whatever is missing in it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Manifest = Mapping[str, Any]
Broken = Iterator[tuple[str, str]]
"""Of each field that is wrong: the field and the reason."""
CLUSTER = "spec.rayClusterSpec"
HEAD = f"{CLUSTER}.headGroupSpec"
LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def get(part: Any, path: str) -> Any:
    """A field by its dotted path; None where it, or anything on the way, is missing."""
    for key in path.split("."):
        if not isinstance(part, Mapping):
            return None
        part = part.get(key)
    return part


def number(part: Any, path: str) -> int | None:
    """A field that is a whole number; None where it is missing or of another kind, which the schema refuses."""
    found = get(part, path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def worker_groups(manifest: Manifest) -> list[tuple[str, Mapping[str, Any]]]:
    """Each group with its path."""
    groups = get(manifest, f"{CLUSTER}.workerGroupSpecs") or []
    return [(f"{CLUSTER}.workerGroupSpecs.{index}", group) for index, group in enumerate(groups)]


def groups(manifest: Manifest) -> list[tuple[str, Mapping[str, Any]]]:
    """The head's group and those of the workers, each with its path."""
    return [(HEAD, get(manifest, HEAD) or {}), *worker_groups(manifest)]


def containers(group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return get(group, "template.spec.containers") or []


def ray_container(group: Mapping[str, Any]) -> Mapping[str, Any]:
    """KubeRay takes a pod's first container as Ray's."""
    return next(iter(containers(group)), {})


def variables(container: Mapping[str, Any]) -> dict[str, Any]:
    """The environment of a container; values of references are None."""
    return {one.get("name", ""): one.get("value") for one in container.get("env") or []}


def autoscales(manifest: Manifest) -> bool:
    return get(manifest, f"{CLUSTER}.enableInTreeAutoscaling") is True


def autoscales_v2(manifest: Manifest) -> bool:
    """By the field, or by the variable that came before it."""
    by_variable = variables(ray_container(get(manifest, HEAD) or {})).get("RAY_enable_autoscaler_v2") in ("1", "true")
    return autoscales(manifest) and (get(manifest, f"{CLUSTER}.autoscalerOptions.version") == "v2" or by_variable)


def is_label_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    good = not slash or (len(prefix) <= 253 and LABEL_PREFIX.fullmatch(prefix) is not None)
    return good and LABEL_NAME.fullmatch(name) is not None


def is_label_value(value: str) -> bool:
    return not value or LABEL_NAME.fullmatch(value) is not None


def version(told: str) -> tuple[int, ...] | None:
    """Of a Ray release; None where it is none."""
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", told)
    return None if found is None else tuple(int(part or 0) for part in found.groups())

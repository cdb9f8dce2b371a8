"""Rules of Kubernetes for pods, which an API server would tell only once KubeRay makes them."""

from collections.abc import Mapping
from typing import Any

from launcher.backends.kubernetes.parts import Broken, Manifest, containers, get, groups, is_label_key, is_label_value

NATIVE = {"cpu", "memory", "ephemeral-storage"}
"""Resources of which a container may be given more than it asked for."""


def labels(manifest: Manifest) -> Broken:
    places = [("metadata", manifest.get("metadata") or {})]
    places += [
        (f"{field}.template.metadata", get(group, "template.metadata") or {}) for field, group in groups(manifest)
    ]
    for field, metadata in places:
        for key, value in (metadata.get("labels") or {}).items():
            if not is_label_key(key):
                yield f"{field}.labels", f"{key!r} is no key of a label"
            if not is_label_value(str(value)):
                yield f"{field}.labels.{key}", f"{value!r} is no value of a label"
        for key in metadata.get("annotations") or {}:
            if not is_label_key(key):
                yield f"{field}.annotations", f"{key!r} is no key of an annotation"


def extended_resources(manifest: Manifest) -> Broken:
    for field, group in groups(manifest):
        for index, container in enumerate(containers(group)):
            limits, requests = _resources(container, "limits"), _resources(container, "requests")
            for name in (limits.keys() | requests.keys()) - NATIVE:
                if name in requests and requests[name] != limits.get(name):
                    place = f"{field}.template.spec.containers.{index}.resources"
                    yield place, f"{name}: limit and request have to be equal, as devices are not shared"


def grace(manifest: Manifest) -> Broken:
    """A preStop hook that may take longer than the pod has is cut off, and what it was to save with it."""
    for field, group in groups(manifest):
        period = get(group, "template.spec.terminationGracePeriodSeconds")
        period = 30 if period is None else period
        for index, container in enumerate(containers(group)):
            command = get(container, "lifecycle.preStop.exec.command") or []
            if "--seconds" not in command[:-1]:
                continue
            wanted = int(command[command.index("--seconds") + 1])
            if wanted >= period:
                place = f"{field}.template.spec.containers.{index}.lifecycle.preStop"
                yield place, f"takes up to {wanted} s of a grace period of {period} s"


def volumes(manifest: Manifest) -> Broken:
    for field, group in groups(manifest):
        known = {one.get("name") for one in get(group, "template.spec.volumes") or []}
        for index, container in enumerate(containers(group)):
            paths = [mount.get("mountPath") for mount in container.get("volumeMounts") or []]
            place = f"{field}.template.spec.containers.{index}.volumeMounts"
            for mount in container.get("volumeMounts") or []:
                if mount.get("name") not in known:
                    yield place, f"{mount.get('name')!r} is no volume of the pod"
            for path in {path for path in paths if paths.count(path) > 1}:
                yield place, f"{path} twice"


def _resources(container: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {name: str(found) for name, found in (get(container, f"resources.{kind}") or {}).items()}

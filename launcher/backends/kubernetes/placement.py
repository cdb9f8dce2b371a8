"""Which nodes a pod may go to."""

from typing import Any, Literal

from launcher.backends.kubernetes.names import ROLE, RUN
from launcher.cluster.kubernetes import Kubernetes, Toleration

HOST = "kubernetes.io/hostname"
Role = Literal["head", "worker"]


def placement(profile: Kubernetes, run: str, role: Role) -> dict[str, Any]:
    """Part of a pod's specification; a key that would be empty is left out.

    Args:
        run: Value of the label `names.RUN`.
    """
    of_head = role == "head"
    parts = {
        "nodeSelector": dict(profile.head.node_selector if of_head else profile.node_selector),
        "tolerations": [_toleration(one) for one in (profile.head.tolerations if of_head else profile.tolerations)],
        "affinity": _node_affinity(profile) | ({} if of_head else _apart(profile, run)),
        "priorityClassName": profile.priority_class,
        "serviceAccountName": profile.service_account,
        "imagePullSecrets": [{"name": name} for name in profile.image_pull_secrets],
    }
    return {key: part for key, part in parts.items() if part}


def _toleration(one: Toleration) -> dict[str, str]:
    told = {"key": one.key, "operator": "Exists" if one.value is None else "Equal"}
    if one.value is not None:
        told["value"] = one.value
    if one.effect is not None:
        told["effect"] = one.effect
    return told


def _node_affinity(profile: Kubernetes) -> dict[str, Any]:
    if not profile.exclude_hosts:
        return {}
    expression = {"key": HOST, "operator": "NotIn", "values": list(profile.exclude_hosts)}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def _apart(profile: Kubernetes, run: str) -> dict[str, Any]:
    term = {"topologyKey": HOST, "labelSelector": {"matchLabels": {RUN: run, ROLE: "worker"}}}
    if profile.one_per_host == "required":
        return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    if profile.one_per_host == "preferred":
        weighed = {"weight": 100, "podAffinityTerm": term}
        return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [weighed]}}
    return {}

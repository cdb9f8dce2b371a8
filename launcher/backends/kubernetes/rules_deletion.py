"""Rules for what KubeRay deletes after a job's end."""

from itertools import pairwise
from typing import Any

from launcher.backends.kubernetes.parts import Broken, Manifest, autoscales, get, number

STRATEGY = "spec.deletionStrategy"
ORDER = ("DeleteWorkers", "DeleteCluster", "DeleteSelf")
"""What contains the other goes later."""
LEGACY = ("onSuccess", "onFailure")


def keeping(manifest: Manifest) -> Broken:
    shuts_down = get(manifest, "spec.shutdownAfterJobFinishes")
    if (number(manifest, "spec.ttlSecondsAfterFinished") or 0) > 0 and not shuts_down:
        yield "spec.ttlSecondsAfterFinished", "needs shutdownAfterJobFinishes"
    if shuts_down and get(manifest, f"{STRATEGY}.deletionRules"):
        yield f"{STRATEGY}.deletionRules", "not together with shutdownAfterJobFinishes"


def strategy(manifest: Manifest) -> Broken:
    found = get(manifest, STRATEGY)
    if found is None:
        return
    legacy = [key for key in LEGACY if found.get(key) is not None]
    if found.get("deletionRules") and legacy:
        yield STRATEGY, f"deletionRules and {' and '.join(legacy)}: the former replace the latter"
    elif not found.get("deletionRules") and len(legacy) < 2:
        yield STRATEGY, "needs deletionRules, or both onSuccess and onFailure"
    for key in legacy:
        policy = get(found, f"{key}.policy")
        if policy is None:
            yield f"{STRATEGY}.{key}.policy", "missing"
        elif policy == "DeleteWorkers" and autoscales(manifest):
            yield f"{STRATEGY}.{key}.policy", "DeleteWorkers: the autoscaler would bring them back"
        elif policy in ("DeleteWorkers", "DeleteCluster") and get(manifest, "spec.clusterSelector"):
            yield f"{STRATEGY}.{key}.policy", f"{policy}: a selected cluster is not this job's to delete"
        elif policy == "DeleteNone" and get(manifest, "spec.shutdownAfterJobFinishes"):
            yield f"{STRATEGY}.{key}.policy", "DeleteNone: shutdownAfterJobFinishes says otherwise"


def each_rule(manifest: Manifest) -> Broken:
    seen = set()
    for field, rule in _rules(manifest):
        policy, condition = rule.get("policy"), rule.get("condition") or {}
        told = [key for key in ("jobStatus", "jobDeploymentStatus") if condition.get(key) is not None]
        if len(told) != 1:
            yield f"{field}.condition", "expected one of jobStatus and jobDeploymentStatus"
        if (number(condition, "ttlSeconds") or 0) < 0:
            yield f"{field}.condition.ttlSeconds", "at least 0"
        if policy in ("DeleteWorkers", "DeleteCluster") and get(manifest, "spec.clusterSelector"):
            yield f"{field}.policy", f"{policy}: a selected cluster is not this job's to delete"
        if policy == "DeleteWorkers" and autoscales(manifest):
            yield f"{field}.policy", "DeleteWorkers: the autoscaler would bring them back"
        identity = (policy, _when(condition))
        if identity in seen:
            yield field, f"{policy} stands here twice for the same end"
        seen.add(identity)


def order(manifest: Manifest) -> Broken:
    by_end: dict[tuple[Any, Any], dict[str, tuple[str, int]]] = {}
    for field, rule in _rules(manifest):
        condition = rule.get("condition") or {}
        after = number(condition, "ttlSeconds") or 0
        by_end.setdefault(_when(condition), {})[str(rule.get("policy"))] = (field, after)
    for told in by_end.values():
        steps = [told[policy] for policy in ORDER if policy in told]
        for (_, before), (field, after) in pairwise(steps):
            if after < before:
                yield f"{field}.condition.ttlSeconds", f"{after}; what it contains stays {before} s"


def _rules(manifest: Manifest) -> list[tuple[str, Any]]:
    rules = get(manifest, f"{STRATEGY}.deletionRules") or []
    return [(f"{STRATEGY}.deletionRules.{index}", rule) for index, rule in enumerate(rules)]


def _when(condition: Any) -> tuple[Any, Any]:
    return condition.get("jobStatus"), condition.get("jobDeploymentStatus")

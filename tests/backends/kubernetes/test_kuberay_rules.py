"""Manifests that KubeRay, its schema or Kubernetes would refuse: each with the field that has to be named."""

import copy
from pathlib import Path
from typing import Any

import pytest

from launcher.backends.kubernetes.manifest import manifest
from tests.backends.kubernetes.crd import refusals
from tests.backends.kubernetes.submissions import golden_submission

CLUSTER = "spec.rayClusterSpec"
HEAD = f"{CLUSTER}.headGroupSpec"
WORKERS = f"{CLUSTER}.workerGroupSpecs.0"
POD = "template.spec"
GONE = object()
RULES = "spec.deletionStrategy.deletionRules"


def rule(policy: str, after: int = 0, **when: str) -> dict[str, Any]:
    return {"policy": policy, "condition": {**(when or {"jobStatus": "FAILED"}), "ttlSeconds": after}}


def ruled(*rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "spec.shutdownAfterJobFinishes": False,
        "spec.ttlSecondsAfterFinished": 0,
        "spec.deletionStrategy": {"deletionRules": list(rules)},
    }


def legacy(**policies: str) -> dict[str, Any]:
    return {"spec.deletionStrategy": {key: {"policy": policy} for key, policy in policies.items()}}


def env(name: str, value: str = "1") -> list[dict[str, str]]:
    return [{"name": name, "value": value}]


AUTOSCALED = {f"{CLUSTER}.enableInTreeAutoscaling": True}
V2 = AUTOSCALED | {f"{CLUSTER}.autoscalerOptions": {"version": "v2"}}
SELECTED = {"spec.clusterSelector": {"ray.io/cluster": "theirs"}, "spec.submissionMode": "HTTPMode"}

BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("a long name", {"metadata.name": "r" * 48}, "metadata.name"),
    ("capitals in the name", {"metadata.name": "Run"}, "metadata.name"),
    ("a name that begins with a digit", {"metadata.name": "1-run"}, "metadata.name"),
    ("a dot in the name", {"metadata.name": "run.1"}, "metadata.name"),
    ("no name", {"metadata.name": ""}, "metadata.name"),
    ("no cluster", {CLUSTER: GONE}, CLUSTER),
    ("a selector without a name", {**SELECTED, "spec.clusterSelector": {"a": "b"}}, "spec.clusterSelector"),
    ("a selector for a sidecar", {"spec.clusterSelector": {"ray.io/cluster": "c"}}, "spec.clusterSelector"),
    ("retries in a selected cluster", {**SELECTED, "spec.backoffLimit": 2}, "spec.backoffLimit"),
    ("a selected cluster that is suspended", {**SELECTED, "spec.suspend": True}, "spec.suspend"),
    ("suspended and kept", {"spec.suspend": True, "spec.shutdownAfterJobFinishes": False}, "spec.suspend"),
    ("a time to keep what is not shut down", {"spec.shutdownAfterJobFinishes": False}, "spec.ttlSecondsAfterFinished"),
    ("negative time to keep", {"spec.ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished"),
    ("negative retries", {"spec.backoffLimit": -1}, "spec.backoffLimit"),
    ("no time at all", {"spec.activeDeadlineSeconds": 0}, "spec.activeDeadlineSeconds"),
    ("no time to start", {"spec.preRunningDeadlineSeconds": 0}, "spec.preRunningDeadlineSeconds"),
    ("retries of an interactive job", {"spec.submissionMode": "InteractiveMode"}, "spec.backoffLimit"),
    ("an unknown mode", {"spec.submissionMode": "Sidecar"}, "spec.submissionMode"),
    ("a submitter for a sidecar", {"spec.submitterConfig": {"backoffLimit": 1}}, "spec.submitterConfig"),
    ("a head that restarts", {f"{HEAD}.{POD}.restartPolicy": "Always"}, f"{HEAD}.{POD}.restartPolicy"),
    ("an environment that is no YAML", {"spec.runtimeEnvYAML": "a: [1"}, "spec.runtimeEnvYAML"),
    ("an environment that is a list", {"spec.runtimeEnvYAML": "- a"}, "spec.runtimeEnvYAML"),
    ("`$` in the environment", {"spec.runtimeEnvYAML": "env_vars: {A: $B}"}, "spec.runtimeEnvYAML"),
    ("no entrypoint", {"spec.entrypoint": GONE}, "spec.entrypoint"),
    ("`$` in the entrypoint", {"spec.entrypoint": "launcher run $HOME"}, "spec.entrypoint"),
    ("a quote in the entrypoint", {"spec.entrypoint": "launcher run it's"}, "spec.entrypoint"),
    ("a newline in the entrypoint", {"spec.entrypoint": "launcher run\nrm"}, "spec.entrypoint"),
    ("rules and shutting down", {RULES.rpartition(".")[0]: {"deletionRules": [rule("DeleteSelf")]}}, RULES),
    ("an empty strategy", {"spec.deletionStrategy": {}}, "spec.deletionStrategy"),
    ("half of the old strategy", legacy(onSuccess="DeleteCluster"), "spec.deletionStrategy"),
    (
        "old and new strategy",
        ruled(rule("DeleteSelf")) | {"spec.deletionStrategy.onFailure": {"policy": "DeleteSelf"}},
        "spec.deletionStrategy",
    ),
    (
        "nothing deleted and all shut down",
        legacy(onSuccess="DeleteNone", onFailure="DeleteSelf"),
        "spec.deletionStrategy.onSuccess.policy",
    ),
    (
        "workers that come back",
        AUTOSCALED | legacy(onSuccess="DeleteWorkers", onFailure="DeleteSelf"),
        "spec.deletionStrategy.onSuccess.policy",
    ),
    ("a rule without an end", ruled(rule("DeleteSelf") | {"condition": {"ttlSeconds": 0}}), f"{RULES}.0.condition"),
    (
        "a rule for two ends",
        ruled(rule("DeleteSelf", jobStatus="FAILED", jobDeploymentStatus="Failed")),
        f"{RULES}.0.condition",
    ),
    ("a rule in the past", ruled(rule("DeleteSelf", -1)), f"{RULES}.0.condition.ttlSeconds"),
    ("a rule twice", ruled(rule("DeleteSelf"), rule("DeleteSelf", 5)), f"{RULES}.1"),
    ("the job before its cluster", ruled(rule("DeleteCluster", 9), rule("DeleteSelf", 3)), f"{RULES}.1.condition"),
    ("an unknown policy", ruled(rule("DeleteAll")), f"{RULES}.0.policy"),
    ("no container", {f"{HEAD}.{POD}.containers": []}, f"{HEAD}.{POD}.containers"),
    ("no worker's container", {f"{WORKERS}.{POD}.containers": []}, f"{WORKERS}.{POD}.containers"),
    ("more at least than at most", {f"{WORKERS}.minReplicas": 5}, f"{WORKERS}.minReplicas"),
    ("negative replicas", {f"{WORKERS}.minReplicas": -1}, f"{WORKERS}.minReplicas"),
    ("resources twice", {f"{HEAD}.resources": {"CPU": "1"}}, f"{HEAD}.resources"),
    ("labels for ray start", {f"{HEAD}.rayStartParams.labels": "a=b"}, f"{HEAD}.rayStartParams.labels"),
    ("a label that is none", {f"{WORKERS}.labels": {"a b": "c"}}, f"{WORKERS}.labels"),
    ("a label's value that is none", {"metadata.labels.team": "two words"}, "metadata.labels.team"),
    (
        "autoscaler v2 by variable alone",
        {f"{HEAD}.{POD}.containers.0.env": env("RAY_enable_autoscaler_v2")},
        f"{HEAD}.{POD}.containers.0.env",
    ),
    (
        "autoscaler v2 by variable and field",
        V2 | {f"{HEAD}.{POD}.containers.0.env": env("RAY_enable_autoscaler_v2")},
        f"{HEAD}.{POD}.containers.0.env",
    ),
    (
        "workers that restart under autoscaler v2",
        V2 | {f"{WORKERS}.{POD}.restartPolicy": "Always"},
        f"{WORKERS}.{POD}.restartPolicy",
    ),
    (
        "a variable of KubeRay's own",
        AUTOSCALED | {f"{CLUSTER}.autoscalerOptions": {"env": env("KUBERAY_GEN_AUTOSCALER_START_CMD")}},
        f"{CLUSTER}.autoscalerOptions.env",
    ),
    ("idle time without v2", {f"{WORKERS}.idleTimeoutSeconds": 60}, f"{WORKERS}.idleTimeoutSeconds"),
    ("priority without v2", {f"{WORKERS}.priority": 1}, f"{WORKERS}.priority"),
    ("suspended under an autoscaler", AUTOSCALED | {f"{WORKERS}.suspend": True}, f"{WORKERS}.suspend"),
    ("a token for an old Ray", {f"{CLUSTER}.rayVersion": "2.51.1"}, f"{CLUSTER}.rayVersion"),
    ("a token without a version", {f"{CLUSTER}.rayVersion": GONE}, f"{CLUSTER}.rayVersion"),
    ("Kubernetes' own tokens", {f"{CLUSTER}.authOptions.enableK8sTokenAuth": True}, f"{CLUSTER}.authOptions"),
    ("Redis by variable", {f"{HEAD}.{POD}.containers.0.env": env("RAY_REDIS_ADDRESS")}, f"{HEAD}.{POD}.containers.0"),
    ("a user of Redis", {f"{HEAD}.rayStartParams.redis-username": "me"}, HEAD),
    ("upgrades of a job's cluster", {f"{CLUSTER}.upgradeStrategy": {"type": "Recreate"}}, f"{CLUSTER}.upgrade"),
    ("Kueue and an autoscaler", AUTOSCALED | {"metadata.labels#kueue.x-k8s.io/queue-name": "q"}, f"{CLUSTER}.enable"),
    (
        "more GPUs than asked for",
        {f"{WORKERS}.{POD}.containers.0.resources.requests#nvidia.com/gpu": "4"},
        f"{WORKERS}.{POD}.containers.0.resources",
    ),
    (
        "a hook that outlasts the pod",
        {f"{WORKERS}.{POD}.terminationGracePeriodSeconds": 60},
        f"{WORKERS}.{POD}.containers.0.lifecycle",
    ),
    (
        "a volume that is none",
        {f"{WORKERS}.{POD}.containers.0.volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        f"{WORKERS}.{POD}.containers.0.volumeMounts",
    ),
    ("an unknown field", {"spec.backofLimit": 3}, "spec.backofLimit"),
    ("words for a number", {"spec.backoffLimit": "three"}, "spec.backoffLimit"),
    ("a quantity that is none", {f"{HEAD}.{POD}.containers.0.resources.limits.memory": "16 GB"}, f"{HEAD}.{POD}"),
]


def put(part: Any, path: str, value: object) -> None:
    """Set a field, or take it away. A key that has dots of its own stands after a `#`."""
    before, _, dotted = path.partition("#")
    *steps, last = [*before.split("."), dotted] if dotted else before.split(".")
    for step in steps:
        part = part[int(step)] if isinstance(part, list) else part.setdefault(step, {})
    if value is GONE:
        del part[last]
    else:
        part[last] = value


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return manifest(golden_submission("h100-1x8"))


@pytest.mark.parametrize(("changes", "field"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_what_kuberay_would_refuse_is_refused_with_its_field(changes, field, whole, shared: Path):
    assert refusals(whole, shared) == []
    broken = copy.deepcopy(whole)
    for path, value in changes.items():
        put(broken, path, value)
    told = refusals(broken, shared)
    assert any(line.startswith(field) for line in told), told


def test_fifty_broken_manifests_and_more_are_tried():
    assert len(BROKEN) >= 50

"""KubeRay's own rules for a RayJob, in our words: what it would refuse is refused before it is sent.

From KubeRay 1.7's ray-operator/controllers/ray/utils/validation.go; Kueue's from its guide to RayJobs; those of labels
and resources are Kubernetes'. Left out are rules about what the launcher never writes (Redis and RocksDB behind the
head, network policies, TLS, the history server) and about feature gates, which only the cluster knows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launcher.backends.kubernetes import rules_cluster, rules_deletion, rules_job, rules_pods
from launcher.errors import InvalidInput

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason for which a manifest is refused."""

    source: str
    """Where the fact is from."""
    broken: Callable[[Manifest], Iterator[tuple[str, str]]]
    """Yields the field and the reason."""


RULES = (
    Rule("validation.go ValidateRayJobMetadata", rules_job.name),
    Rule("validation.go ValidateRayJobSpec", rules_job.selector),
    Rule("validation.go ValidateRayJobSpec", rules_job.suspend),
    Rule("validation.go ValidateRayJobSpec", rules_job.numbers),
    Rule("validation.go ValidateRayJobSpec", rules_job.interactive),
    Rule("validation.go ValidateRayJobSpec", rules_job.sidecar),
    Rule("validation.go ValidateRayJobSpec", rules_job.runtime_env),
    Rule("common/job.go BuildJobSubmitCommand", rules_job.entrypoint),
    Rule("apis/ray/v1 rayjob_types.go", rules_job.modes),
    Rule("validation.go validateDeletionConfiguration", rules_deletion.keeping),
    Rule("validation.go validateDeletionConfiguration", rules_deletion.strategy),
    Rule("validation.go validateDeletionRules", rules_deletion.each_rule),
    Rule("validation.go validateTTLConsistency", rules_deletion.order),
    Rule("validation.go ValidateRayClusterSpec", rules_cluster.containers),
    Rule("validation.go ValidateRayClusterSpec", rules_cluster.replicas),
    Rule("validation.go validateRayGroupResources", rules_cluster.group_resources),
    Rule("validation.go validateRayGroupLabels", rules_cluster.group_labels),
    Rule("validation.go ValidateRayClusterSpec", rules_cluster.autoscaler),
    Rule("validation.go validateWorkerGroupIdleTimeout", rules_cluster.group_autoscaler),
    Rule("validation.go ValidateRayClusterSpec", rules_cluster.authentication),
    Rule("validation.go ValidateRayClusterSpec", rules_cluster.redis),
    Rule("validation.go ValidateRayClusterUpgradeOptions", rules_cluster.upgrades),
    Rule("kueue.sigs.k8s.io/docs/tasks/run/rayjobs", rules_job.kueue),
    Rule("kubernetes.io/docs/concepts/overview/working-with-objects/labels", rules_pods.labels),
    Rule("kubernetes.io/docs/tasks/manage-gpus", rules_pods.extended_resources),
    Rule("kubernetes.io/docs/concepts/containers/container-lifecycle-hooks", rules_pods.grace),
    Rule("kubernetes.io/docs/concepts/storage/volumes", rules_pods.volumes),
)


def broken_rules(manifest: Manifest) -> list[str]:
    """Every rule that a manifest breaks, each as field, reason and source."""
    return [f"{field}: {reason} ({rule.source})" for rule in RULES for field, reason in rule.broken(manifest)]


def check_manifest(manifest: Manifest) -> None:
    """Refuse what KubeRay would.

    Raises:
        InvalidInput: names every field that is wrong.
    """
    broken = broken_rules(manifest)
    if broken:
        raise InvalidInput(f"KubeRay would refuse this job: {'; '.join(broken)}")

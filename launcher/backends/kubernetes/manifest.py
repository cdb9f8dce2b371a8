"""A submission -> the RayJob that KubeRay runs: pure, so that what is printed is what is sent."""

import math
import shlex
from typing import Any

import yaml

from launcher.backends.kubernetes.asked import check_profile
from launcher.backends.kubernetes.gang import gang_labels
from launcher.backends.kubernetes.names import NUMBER, RUN, RUN_ID, job_name, run_name
from launcher.backends.kubernetes.pods import head_group, submitter_template, worker_group
from launcher.backends.kubernetes.rules import check_manifest
from launcher.backends.pasted import refuse_unplain
from launcher.backends.submission import Submission
from launcher.cluster.common import RAY_VERSION
from launcher.cluster.kubernetes import Kubernetes

MODES = {"sidecar": "SidecarMode", "http": "HTTPMode", "k8s-job": "K8sJobMode"}
KEEP_HEAD_DEAD = "ray.io/disable-provisioned-head-restart"
"""A head that died took the driver along: KubeRay shall start a new cluster and not this head (raycluster_controller.go
in KubeRay 1.7). A sidecar's head has restart policy Never and needs it not."""


def manifest(submission: Submission, number: int = 1) -> dict[str, Any]:
    """The RayJob of a submission.

    Args:
        number: Of the run's job in this cluster, from 1.

    Raises:
        InvalidInput: the profile asks for what excludes one another, or KubeRay would refuse it.
    """
    profile = submission.profile
    assert isinstance(profile, Kubernetes)
    check_profile(submission, profile)
    made = {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": _metadata(submission, profile, number),
        "spec": _spec(submission, profile),
    }
    check_manifest(made)
    return made


def manifest_yaml(made: dict[str, Any]) -> str:
    return yaml.dump(made, Dumper=_Plain, sort_keys=False, width=120)


def entrypoint(submission: Submission, profile: Kubernetes) -> str:
    """The training command. KubeRay pastes it raw into a shell (common/job.go), so its words must be plain.

    Raises:
        InvalidInput: a word is not plain; names the field that it comes from.
    """
    refuse_unplain("--run-id", [submission.run_id])
    refuse_unplain("cluster.storage", [submission.run_url])
    refuse_unplain("--allow-recipe-change", submission.may_change)
    with_wheel = ("python", "-m", "launcher", *submission.arguments)
    return shlex.join(submission.command if profile.wheel is None else with_wheel)


def _metadata(submission: Submission, profile: Kubernetes, number: int) -> dict[str, Any]:
    annotations = {**profile.annotations, RUN_ID: submission.run_id, NUMBER: str(number)}
    if profile.submission != "sidecar":
        annotations[KEEP_HEAD_DEAD] = "true"
    labels = {**profile.labels, "app.kubernetes.io/name": "llama-launcher", RUN: run_name(submission.run_id)}
    return {
        "name": job_name(submission.run_id, number),
        "namespace": profile.namespace,
        "labels": labels | gang_labels(profile),
        "annotations": annotations,
    }


def _spec(submission: Submission, profile: Kubernetes) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "entrypoint": entrypoint(submission, profile),
        "submissionMode": MODES[profile.submission],
        "backoffLimit": profile.backoff_limit,
        **_endings(profile),
    }
    if profile.kueue is not None:
        spec["suspend"] = True  # until Kueue admits it
    if profile.start_minutes is not None:
        spec["preRunningDeadlineSeconds"] = math.ceil(60 * profile.start_minutes)
    if profile.limit_hours is not None:
        spec["activeDeadlineSeconds"] = math.ceil(3600 * profile.limit_hours)
    if profile.submission == "k8s-job":
        spec["submitterPodTemplate"] = submitter_template(profile)
    spec["rayClusterSpec"] = _cluster(submission, profile)
    return spec


def _endings(profile: Kubernetes) -> dict[str, Any]:
    if not profile.deletion_rules:
        keep = 600 if profile.keep_seconds is None else profile.keep_seconds
        return {"shutdownAfterJobFinishes": True, "ttlSecondsAfterFinished": keep}
    rules = [
        {"policy": one.policy, "condition": {"jobStatus": one.when, "ttlSeconds": one.after_seconds}}
        for one in profile.deletion_rules
    ]
    return {"deletionStrategy": {"deletionRules": rules}}


def _cluster(submission: Submission, profile: Kubernetes) -> dict[str, Any]:
    cluster: dict[str, Any] = {"rayVersion": RAY_VERSION, "authOptions": {"mode": "token"}}
    if profile.elastic is not None:
        cluster["enableInTreeAutoscaling"] = True
        cluster["autoscalerOptions"] = {"version": "v2", "idleTimeoutSeconds": profile.elastic.idle_seconds}
    cluster["headGroupSpec"] = head_group(submission, profile)
    cluster["workerGroupSpecs"] = [worker_group(submission, profile)]
    return cluster


class _Plain(yaml.SafeDumper):
    """Writes a part again where it is used twice: kubectl's readers take anchors, people do not."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

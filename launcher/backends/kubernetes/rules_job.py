"""Rules for the RayJob itself."""

import re

import yaml

from launcher.backends.kubernetes.gang import KUEUE_QUEUE
from launcher.backends.kubernetes.parts import CLUSTER, HEAD, Broken, Manifest, autoscales, get, number, worker_groups
from launcher.backends.pasted import PLAIN

LONGEST_NAME = 47
DNS_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
MODES = ("SidecarMode", "HTTPMode", "K8sJobMode", "InteractiveMode")
KUEUE_GROUPS = 7
"""Of workers: a Workload of Kueue has eight pod sets, one of which is the head's."""


def name(manifest: Manifest) -> Broken:
    found = get(manifest, "metadata.name") or ""
    if len(found) > LONGEST_NAME:
        yield "metadata.name", f"{len(found)} characters; 47 at most, as KubeRay appends to it for services"
    if not DNS_1035.fullmatch(found):
        yield "metadata.name", f"{found!r} is no DNS-1035 label: small letters, digits, dashes, beginning with a letter"


def selector(manifest: Manifest) -> Broken:
    selected = get(manifest, "spec.clusterSelector")
    if not selected and get(manifest, CLUSTER) is None:
        yield "spec.rayClusterSpec", "missing, and no clusterSelector names a cluster"
    if not selected:
        return
    if not selected.get("ray.io/cluster"):
        yield "spec.clusterSelector", "names no cluster under ray.io/cluster"
    if get(manifest, "spec.submissionMode") == "SidecarMode":
        yield "spec.clusterSelector", "a sidecar needs a head of its own"
    if (number(manifest, "spec.backoffLimit") or 0) > 0:
        yield "spec.backoffLimit", "a retry is a new cluster, and a selected one is not"
    if get(manifest, "spec.suspend"):
        yield "spec.suspend", "a selected cluster is not this job's to suspend"


def suspend(manifest: Manifest) -> Broken:
    if get(manifest, "spec.suspend") and not get(manifest, "spec.shutdownAfterJobFinishes"):
        yield "spec.suspend", "needs shutdownAfterJobFinishes"


def numbers(manifest: Manifest) -> Broken:
    for field, least in (
        ("ttlSecondsAfterFinished", 0),
        ("activeDeadlineSeconds", 1),
        ("preRunningDeadlineSeconds", 1),
        ("backoffLimit", 0),
    ):
        found = number(manifest, f"spec.{field}")
        if found is not None and found < least:
            yield f"spec.{field}", f"{found}; at least {least}"


def interactive(manifest: Manifest) -> Broken:
    waits = get(manifest, "spec.submissionMode") == "InteractiveMode"
    if waits and (number(manifest, "spec.backoffLimit") or 0) > 0:
        yield "spec.backoffLimit", "a job that waits for its user is not started again"


def sidecar(manifest: Manifest) -> Broken:
    if get(manifest, "spec.submissionMode") != "SidecarMode":
        return
    for field in ("submitterPodTemplate", "submitterConfig"):
        if get(manifest, f"spec.{field}") is not None:
            yield f"spec.{field}", "a sidecar has no pod of its own"
    if get(manifest, f"{HEAD}.template.spec.restartPolicy") not in (None, "", "Never"):
        yield f"{HEAD}.template.spec.restartPolicy", "Never with a sidecar: a head that restarts has lost its job"


def runtime_env(manifest: Manifest) -> Broken:
    told = get(manifest, "spec.runtimeEnvYAML")
    if not told:
        return
    try:
        found = yaml.safe_load(told)
    except yaml.YAMLError as error:
        yield "spec.runtimeEnvYAML", f"no YAML: {' '.join(str(error).split())}"
        return
    if not isinstance(found, dict):
        yield "spec.runtimeEnvYAML", "no mapping"
    if "$" in told:
        yield "spec.runtimeEnvYAML", "`$` is expanded by the submitter's shell"


def entrypoint(manifest: Manifest) -> Broken:
    told = get(manifest, "spec.entrypoint")
    if not told:
        interactive_job = get(manifest, "spec.submissionMode") == "InteractiveMode"
        if not interactive_job:
            yield "spec.entrypoint", "missing: nothing would run"
        return
    for word in told.split(" "):
        if not PLAIN.fullmatch(word):
            yield "spec.entrypoint", f"{word!r} is pasted raw into a shell"


def modes(manifest: Manifest) -> Broken:
    mode = get(manifest, "spec.submissionMode")
    if mode is not None and mode not in MODES:
        yield "spec.submissionMode", f"{mode!r}; expected one of {', '.join(MODES)}"


def kueue(manifest: Manifest) -> Broken:
    labels = get(manifest, "metadata.labels") or {}
    if KUEUE_QUEUE not in labels:
        return
    if autoscales(manifest):
        yield f"{CLUSTER}.enableInTreeAutoscaling", "Kueue admits a job of one size"
    if get(manifest, "spec.clusterSelector"):
        yield "spec.clusterSelector", "Kueue admits jobs with a cluster of their own"
    if not get(manifest, "spec.shutdownAfterJobFinishes"):
        yield "spec.shutdownAfterJobFinishes", "Kueue needs it, to have the quota back"
    if len(worker_groups(manifest)) > KUEUE_GROUPS:
        yield f"{CLUSTER}.workerGroupSpecs", f"Kueue takes {KUEUE_GROUPS} groups of workers"

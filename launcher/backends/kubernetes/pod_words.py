"""Why a pod does not run, in words that a person can act on. Pure: takes what the API tells of a pod."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from launcher.backends.kubernetes.parts import get

Pod = Mapping[str, Any]
INSUFFICIENT = re.compile(r"Insufficient ([A-Za-z0-9./-]+)")
MENDS = (
    ("untolerated taint", "its nodes are tainted: add to cluster.tolerations"),
    ("didn't match Pod's node affinity", "no node has its labels: see cluster.node_selector and exclude_hosts"),
    ("didn't match pod anti-affinity", "too few nodes for one worker each: see cluster.one_per_host"),
    ("unbound immediate PersistentVolumeClaims", "a claim of cluster.volumes is not bound"),
)
"""What the scheduler writes, and what it asks for."""
WAITING = {
    "ErrImagePull": "its image cannot be pulled: see cluster.image and cluster.image_pull_secrets",
    "ImagePullBackOff": "its image cannot be pulled: see cluster.image and cluster.image_pull_secrets",
    "InvalidImageName": "its image has no valid name: see cluster.image",
    "ErrImageNeverPull": "its image is not on the node: load it there, or see cluster.image_pull_policy",
    "CreateContainerConfigError": "it refers to what is not there: see cluster.secret and cluster.secrets",
    "CrashLoopBackOff": "it ends again and again: see its logs",
    "RunContainerError": "its container cannot be started",
}
OUT_OF_MEMORY = "it took more memory than it has: raise memory_gib_per_node, or head.memory_gib"


def pod_lines(pod: Pod) -> Iterator[str]:
    """A line for each thing that keeps a pod from running; none where it runs."""
    name = get(pod, "metadata.name")
    for condition in get(pod, "status.conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"pod {name} waits: {_unscheduled(condition.get('message') or condition.get('reason') or '')}"
    if get(pod, "status.reason") == "Evicted":
        yield f"pod {name} was evicted: {get(pod, 'status.message')}"
    statuses = [*(get(pod, "status.initContainerStatuses") or []), *(get(pod, "status.containerStatuses") or [])]
    for status in statuses:
        yield from _container_lines(f"pod {name}, container {status.get('name')}", status)


def _unscheduled(message: str) -> str:
    lacking = sorted({found.rstrip(".") for found in INSUFFICIENT.findall(message)})
    causes = [f"no node has enough {', '.join(lacking)} free"] if lacking else []
    causes += [mend for said, mend in MENDS if said in message]
    return f"{'; '.join(causes)} ({message})" if causes else message


def _container_lines(place: str, status: Mapping[str, Any]) -> Iterator[str]:
    reason = get(status, "state.waiting.reason")
    if reason in WAITING:
        yield f"{place}: {WAITING[reason]} ({reason}: {get(status, 'state.waiting.message') or 'no more is told'})"
    for when in ("state", "lastState"):
        ended = get(status, f"{when}.terminated") or {}
        if ended.get("reason") == "OOMKilled":
            yield f"{place}: {OUT_OF_MEMORY} (OOMKilled)"
        elif ended.get("exitCode"):
            yield f"{place}: ended with {ended['exitCode']} ({ended.get('reason') or 'no reason is told'})"

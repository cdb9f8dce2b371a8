"""What a RayJob, its cluster, pods and queue tell together, as one status. Pure: takes what the API tells."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launcher.backends.backend import JobStatus, State
from launcher.backends.kubernetes.gang import KUEUE_QUEUE
from launcher.backends.kubernetes.parts import get
from launcher.backends.kubernetes.pod_words import pod_lines

Object = Mapping[str, Any]
STATES: dict[str, State] = {
    "Initializing": "starting",
    "Waiting": "starting",
    "Retrying": "starting",
    "Running": "running",
    "Suspending": "queued",
    "Suspended": "queued",
    "Complete": "done",
    "Failed": "failed",
}
"""Of a RayJob's jobDeploymentStatus; KubeRay has not looked at one without."""
REASONS = {
    "PreRunningDeadlineExceeded": "its pods were not there within cluster.start_minutes",
    "DeadlineExceeded": "cluster.limit_hours is over",
    "SubmissionFailed": "KubeRay could not tell Ray of the job",
    "AppFailed": "the training command failed",
    "ValidationFailed": "KubeRay refuses the job",
    "JobDeploymentStatusTransitionGracePeriodExceeded": "Ray's job ended, and the cluster was not seen to",
}
EVENTS = 3
"""The newest warnings to tell."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the cluster has of a run."""

    job: Object
    cluster: Object | None = None
    """The RayCluster of the newest try."""
    pods: Sequence[Object] = ()
    workload: Object | None = None
    """Kueue's."""
    place: int | None = None
    """In Kueue's queue, from 0."""
    events: Sequence[Object] = ()


def status_of(found: Found) -> JobStatus:
    """The state of a run's newest job, and what keeps it from the next one."""
    state: State = STATES.get(get(found.job, "status.jobDeploymentStatus") or "", "queued")
    if get(found.job, "metadata.deletionTimestamp"):
        state = "ending"
    details = tuple(dict.fromkeys([*_job_lines(found, state), *_unfinished_lines(found, state)]))
    nodes = tuple(sorted({node for pod in found.pods if (node := get(pod, "spec.nodeName"))}))
    return JobStatus(state, get(found.job, "metadata.name"), nodes, details)


def _job_lines(found: Found, state: State) -> Iterator[str]:
    status = found.job.get("status") or {}
    if (retries := status.get("failed")) and state != "failed":
        limit = get(found.job, "spec.backoffLimit")
        yield f"cluster {int(retries) + 1} of at most {int(limit or 0) + 1}: each goes on where the last commit was"
    if state == "failed" or status.get("jobDeploymentStatus") == "Retrying":
        reason = status.get("reason") or "no reason is told"
        told = REASONS.get(reason, reason)
        message = f": {_one_line(status['message'])}" if status.get("message") else ""
        yield f"{told} ({reason}{message})"


def _unfinished_lines(found: Found, state: State) -> Iterator[str]:
    if state in ("done", "ending"):
        return
    if state == "queued":
        yield from _queue_lines(found)
    for condition in get(found.cluster, "status.conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            yield _pods_refused(condition.get("message") or condition.get("reason") or "")
    for pod in found.pods:
        yield from pod_lines(pod)
    for event in _newest(found.events):
        message = _one_line(event.get("message") or "")
        yield _pods_refused(message) if "exceeded quota" in message else f"{event.get('reason')}: {message}"


def _queue_lines(found: Found) -> Iterator[str]:
    queue = (get(found.job, "metadata.labels") or {}).get(KUEUE_QUEUE)
    if queue is None:
        yield "KubeRay has not begun with it: is its operator running, and does it watch this namespace?"
        return
    place = "" if found.place is None else f", behind {found.place} others"
    if found.workload is None:
        yield f"Kueue has not seen it: is there a LocalQueue {queue} in this namespace?"
        return
    told = [
        _one_line(one.get("message") or "")
        for one in get(found.workload, "status.conditions") or []
        if (one.get("type"), one.get("status")) in (("QuotaReserved", "False"), ("Evicted", "True"))
    ]
    yield f"waits in Kueue's queue {queue}{place}: {'; '.join(told) or 'no reason is told'}"


def _pods_refused(message: str) -> str:
    if "exceeded quota" in message:
        return f"the namespace's quota is used up ({_one_line(message)})"
    return f"pods cannot be made ({_one_line(message)})"


def _newest(events: Sequence[Object]) -> list[Object]:
    warnings = [one for one in events if one.get("type") == "Warning"]
    return sorted(warnings, key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))[-EVENTS:]


def _one_line(told: object) -> str:
    return " ".join(str(told).split())

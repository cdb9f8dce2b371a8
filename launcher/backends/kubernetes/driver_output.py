"""What a run's driver prints, cluster after cluster: KubeRay starts another where one is lost or was suspended."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from launcher.backends.kubernetes import jobs
from launcher.backends.kubernetes.connect import Api
from launcher.backends.kubernetes.failures import NotThere
from launcher.backends.kubernetes.follow import Pod, has_begun, log_lines, until
from launcher.backends.kubernetes.gather import OF_CLUSTER
from launcher.backends.kubernetes.parts import get

SUBMITTER = "ray-job-submitter"
"""KubeRay's name of the container that prints the driver's output: beside the head, or in a pod of its own."""
POLL_S = 1.0
Newest = Callable[[], jobs.Job | None]
"""Asks for the run's newest job."""


def driver_lines(api: Api, selector: str, job: jobs.Job, newest: Newest, *, follow: bool) -> Iterator[str]:
    """Lines of the driver's output, so far or to the job's end.

    Args:
        selector: Labels of the pods that print it.

    Raises:
        NotThere: no pod prints any.
        LauncherError: the connection broke too often.
    """
    last: Pod | None = None
    while (pod := _next_pod(api, selector, last or job, newest, follow=follow)) is not None:
        yield from log_lines(api, pod["metadata"]["name"], SUBMITTER, follow=follow)
        if not follow or not _goes_on(pod, newest):
            return
        last = pod
    if last is None:
        raise NotThere(f"no pod of {job['metadata']['name']} prints the driver's output")


def _next_pod(api: Api, selector: str, after: dict[str, Any], newest: Newest, *, follow: bool) -> Pod | None:
    """The newest pod with a log; None where there is none, and none will come.

    Args:
        after: The job, or the pod before.
    """

    def printing(pods: list[Pod]) -> Pod | None:
        later = [pod for pod in pods if _created(pod) >= _created(after) and _name(pod) != _name(after)]
        return max((pod for pod in later if has_begun(pod, SUBMITTER)), key=_created, default=None)

    for found in until(api, selector, printing):
        if found is not None or not follow:
            return found
        now = newest()
        if now is None or jobs.has_ended(now):
            return None
    return None


def _goes_on(pod: Pod, newest: Newest) -> bool:
    """Whether the job goes on after the pod's end, once KubeRay has seen to that."""
    cluster = (pod["metadata"].get("labels") or {}).get(OF_CLUSTER)
    while (now := newest()) is not None and not jobs.has_ended(now):
        elsewhere = cluster is not None and get(now, "status.rayClusterName") != cluster
        if elsewhere or get(now, "status.jobDeploymentStatus") != "Running":
            return True
        time.sleep(POLL_S)
    return False


def _name(one: dict[str, Any]) -> str:
    return str(one["metadata"]["name"])


def _created(one: dict[str, Any]) -> datetime:
    """By the API server's own clock: what is older than a job is of an earlier one."""
    return datetime.fromisoformat(one["metadata"]["creationTimestamp"])

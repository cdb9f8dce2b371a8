"""All that a cluster has of a run's job, for `words.status_of`."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from launcher.backends.kubernetes.connect import GROUP, VERSION, Api
from launcher.backends.kubernetes.failures import NotPermitted, NotThere
from launcher.backends.kubernetes.gang import KUEUE_QUEUE
from launcher.backends.kubernetes.jobs import Job
from launcher.backends.kubernetes.parts import get
from launcher.backends.kubernetes.words import Found

KUEUE, KUEUE_VERSION = "kueue.x-k8s.io", "v1beta1"
VISIBILITY = "visibility.kueue.x-k8s.io"
OF_CLUSTER = "ray.io/cluster"
"""KubeRay's label of pods."""
Answer = TypeVar("Answer")


def gather(api: Api, job: Job) -> Found:
    """Ask for the job's cluster, pods, workload and events. What the account may not see, or the cluster does not have,
    is left out: a status that tells less is better than none."""
    name, cluster_name = job["metadata"]["name"], get(job, "status.rayClusterName")
    cluster, pods = None, []
    if cluster_name:
        cluster = _allowed(
            lambda: api.ask(
                "get",
                f"rayclusters.{GROUP}",
                lambda: api.custom.get_namespaced_custom_object(
                    GROUP, VERSION, api.namespace, "rayclusters", cluster_name
                ),
            )
        )
        pods = _allowed(lambda: pods_of(api, f"{OF_CLUSTER}={cluster_name}")) or []
    workload = _allowed(lambda: _workload(api, job)) if get(job, "metadata.uid") else None
    place = None if workload is None else _allowed(lambda: _place(api, job, workload))
    events = [
        event
        for one in (name, cluster_name)
        if one
        for event in _allowed(lambda one=one: _events(api, one)) or []  # type: ignore[misc]
    ]
    return Found(job, cluster, pods, workload, place, events)


def pods_of(api: Api, selector: str) -> list[dict[str, Any]]:
    """Pods by their labels, as the API writes them."""
    ask = partial(api.core.list_namespaced_pod, api.namespace, label_selector=selector)
    found: list[dict[str, Any]] = api.read("list", "pods", ask)["items"]
    return found


def _events(api: Api, name: str) -> list[dict[str, Any]]:
    fields = f"involvedObject.name={name}"
    ask = partial(api.core.list_namespaced_event, api.namespace, field_selector=fields)
    found: list[dict[str, Any]] = api.read("list", "events", ask)["items"]
    return found


def _workload(api: Api, job: Job) -> dict[str, Any] | None:
    if KUEUE_QUEUE not in (get(job, "metadata.labels") or {}):
        return None
    found = api.ask(
        "list",
        f"workloads.{KUEUE}",
        lambda: api.custom.list_namespaced_custom_object(
            KUEUE,
            KUEUE_VERSION,
            api.namespace,
            "workloads",
            label_selector=f"kueue.x-k8s.io/job-uid={job['metadata']['uid']}",
        ),
    )
    return next(iter(found["items"]), None)


def _place(api: Api, job: Job, workload: dict[str, Any]) -> int | None:
    queue = job["metadata"]["labels"][KUEUE_QUEUE]
    found = api.ask(
        "get",
        f"localqueues.{VISIBILITY}/pendingworkloads",
        lambda: api.custom.get_namespaced_custom_object(
            VISIBILITY, KUEUE_VERSION, api.namespace, "localqueues", f"{queue}/pendingworkloads"
        ),
    )
    for one in found.get("items", []):
        if get(one, "metadata.name") == workload["metadata"]["name"]:
            return int(one["positionInLocalQueue"])
    return None


def _allowed(ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except (NotPermitted, NotThere):
        return None

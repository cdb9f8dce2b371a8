"""What is told of a job that does not run."""

import pytest

from launcher.backends.kubernetes.gang import KUEUE_QUEUE
from launcher.backends.kubernetes.names import NUMBER, RUN, RUN_ID
from launcher.backends.kubernetes.words import Found, status_of
from tests.backends.kubernetes.api_server import failure

ID = "sst2"


def job(state: str | None = None, labels: dict[str, str] | None = None, **status):
    annotations = {RUN_ID: ID, NUMBER: "1"}
    metadata = {"name": "sst2-1", "uid": "u1", "labels": {RUN: ID, **(labels or {})}, "annotations": annotations}
    told = {"jobDeploymentStatus": state, **status} if state else {}
    return {"metadata": metadata, "spec": {"backoffLimit": 5}, "status": told}


def pod(**status):
    return {"metadata": {"name": "w1"}, "spec": {"nodeName": "gpu-3"}, "status": status}


def unscheduled(message: str):
    return pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}])


def waiting(reason: str, message: str = ""):
    return pod(containerStatuses=[{"name": "ray-worker", "state": {"waiting": {"reason": reason, "message": message}}}])


def ended(**terminated):
    return pod(
        containerStatuses=[{"name": "ray-worker", "state": {"running": {}}, "lastState": {"terminated": terminated}}]
    )


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (Found(job()), "queued", "is its operator running"),
        (Found(job("Running")), "running", ""),
        (Found(job("Complete")), "done", ""),
        (Found(job("Failed", reason="AppFailed", message="exit code 1")), "failed", "the training command failed"),
        (Found(job("Failed", reason="PreRunningDeadlineExceeded")), "failed", "cluster.start_minutes"),
        (Found(job("Retrying", failed=1)), "starting", "cluster 2 of at most 6"),
        (
            Found(job("Initializing"), pods=[unscheduled("0/5 nodes are available: 5 Insufficient nvidia.com/gpu.")]),
            "starting",
            "no node has enough nvidia.com/gpu free",
        ),
        (
            Found(
                job("Initializing"), pods=[unscheduled("2 Insufficient cpu, 3 Insufficient rdma/hca. preemption: 0")]
            ),
            "starting",
            "no node has enough cpu, rdma/hca free",
        ),
        (
            Found(job("Initializing"), pods=[unscheduled("1 node(s) had untolerated taint {a: b}")]),
            "starting",
            "cluster.tolerations",
        ),
        (
            Found(job("Initializing"), pods=[unscheduled("4 node(s) didn't match Pod's node affinity/selector")]),
            "starting",
            "cluster.node_selector",
        ),
        (Found(job("Initializing"), pods=[waiting("ImagePullBackOff", "denied")]), "starting", "cluster.image"),
        (Found(job("Initializing"), pods=[waiting("CreateContainerConfigError")]), "starting", "cluster.secret"),
        (Found(job("Running"), pods=[ended(reason="OOMKilled", exitCode=137)]), "running", "memory_gib_per_node"),
        (Found(job("Running"), pods=[ended(reason="Error", exitCode=1)]), "running", "ended with 1 (Error)"),
        (Found(job("Running"), pods=[pod(reason="Evicted", message="low on disk")]), "running", "evicted: low on disk"),
        (
            Found(
                job("Initializing"),
                {
                    "status": {
                        "conditions": [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"}]
                    }
                },
            ),
            "starting",
            "quota is used up",
        ),
        (
            Found(
                job("Initializing"), events=[{"type": "Warning", "reason": "Failed", "message": "exceeded quota: q"}]
            ),
            "starting",
            "quota is used up",
        ),
        (Found(job("Suspended", {KUEUE_QUEUE: "training"})), "queued", "is there a LocalQueue training"),
        (
            Found(
                job("Suspended", {KUEUE_QUEUE: "training"}),
                workload={
                    "status": {"conditions": [{"type": "QuotaReserved", "status": "False", "message": "no GPUs"}]}
                },
                place=3,
            ),
            "queued",
            "waits in Kueue's queue training, behind 3 others: no GPUs",
        ),
    ],
)
def test_a_status_says_why_and_what_to_do(found, state, words):
    told = status_of(found)
    assert told.state == state
    assert told.job == "sst2-1"
    assert words in "\n".join(told.details)
    assert bool(words) == bool(told.details)
    assert not any("\n" in line for line in told.details)


def test_a_job_that_is_being_removed_is_ending():
    removed = job("Running")
    removed["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"
    assert status_of(Found(removed)).state == "ending"


def test_nodes_of_pods_are_told():
    assert status_of(Found(job("Running"), pods=[pod(), pod()])).nodes == ("gpu-3",)


def test_a_status_is_gathered_from_job_cluster_pods_queue_and_events(cluster, server):
    server.put("rayjobs", job("Suspended", {KUEUE_QUEUE: "training"}, rayClusterName="c1"))
    server.put("rayclusters", {"metadata": {"name": "c1"}, "status": {}})
    waits = unscheduled("5 Insufficient memory.")
    waits["metadata"]["labels"] = {"ray.io/cluster": "c1"}
    server.put("pods", waits)
    server.kinds |= {"workloads", "localqueues"}
    server.put("workloads", {"metadata": {"name": "wl", "labels": {"kueue.x-k8s.io/job-uid": "u1"}}, "status": {}})
    server.put(
        "events",
        {
            "metadata": {"name": "e"},
            "involvedObject": {"name": "c1"},
            "type": "Warning",
            "reason": "Odd",
            "message": "something",
        },
    )
    server.put("localqueues", {"metadata": {"name": "training"}})
    told = cluster.status(ID)
    assert told.state == "queued"
    text = "\n".join(told.details)
    assert "Kueue's queue training" in text
    assert "no node has enough memory free" in text
    assert "Odd: something" in text


def test_what_may_not_be_seen_is_left_out_of_a_status(cluster, server):
    server.put("rayjobs", job("Running", rayClusterName="c1"))
    for kind in ("rayclusters", "pods", "events"):
        for verb in ("get", "list"):
            server.refused[verb, kind] = failure(403, f"{kind} is forbidden")
    assert cluster.status(ID).state == "running"

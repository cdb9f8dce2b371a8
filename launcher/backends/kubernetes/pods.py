"""The pods of a run: a head without work, and equal workers."""

from typing import Any

from launcher.backends.kubernetes.environment import gibibytes, mounts, variables, volumes, wheel_container
from launcher.backends.kubernetes.names import ROLE, RUN, run_name
from launcher.backends.kubernetes.placement import Role, placement
from launcher.backends.kubernetes.security import container_security, pod_security
from launcher.backends.kubernetes.termination import grace_period, lifecycle
from launcher.backends.submission import Submission
from launcher.cluster.kubernetes import Kubernetes

GROUP = "workers"
PORTS = {"gcs-server": 6379, "dashboard": 8265, "client": 10001}


def head_group(submission: Submission, profile: Kubernetes) -> dict[str, Any]:
    """KubeRay's headGroupSpec. With no CPU to offer, nothing but the driver runs there."""
    resources = {"cpu": str(profile.head.cpus), "memory": gibibytes(profile.head.memory_gib)}
    template = _template(submission, profile, "head", resources)
    if profile.elastic is not None or profile.submission == "sidecar":
        template["spec"]["restartPolicy"] = "Never"
    ports = [{"name": name, "containerPort": port} for name, port in PORTS.items()]
    template["spec"]["containers"][0]["ports"] = ports
    return {"rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"}, "template": template}


def worker_group(submission: Submission, profile: Kubernetes) -> dict[str, Any]:
    """KubeRay's one entry of workerGroupSpecs."""
    template = _template(submission, profile, "worker", worker_resources(profile))
    least = most = profile.nodes
    if profile.elastic is not None:
        least, most = profile.elastic.min_nodes, profile.elastic.max_nodes
        template["spec"]["restartPolicy"] = "Never"
    return {
        "groupName": GROUP,
        "replicas": profile.nodes,
        "minReplicas": least,
        "maxReplicas": most,
        "rayStartParams": {},
        "template": template,
    }


def worker_resources(profile: Kubernetes) -> dict[str, str]:
    """Limits and requests alike: a worker that is squeezed stalls all of them."""
    found = {"cpu": str(profile.cpus_per_node), "memory": gibibytes(profile.memory_gib_per_node)}
    if profile.gpus_per_node:
        found[profile.gpu_resource] = str(profile.gpus_per_node)
    if profile.rdma is not None:
        found[profile.rdma.resource] = str(profile.rdma.count)
    return found | {name: str(count) for name, count in profile.resources.items()}


def submitter_template(profile: Kubernetes) -> dict[str, Any]:
    """The pod of submission mode `k8s-job`; KubeRay fills in the command."""
    resources = {"cpu": "500m", "memory": "512Mi"}
    container = {
        "name": "ray-job-submitter",
        "image": profile.image,
        "imagePullPolicy": profile.image_pull_policy,
        "resources": {"limits": resources, "requests": dict(resources)},
        "securityContext": container_security(rdma=False),
    }
    spec: dict[str, Any] = {"restartPolicy": "Never", "securityContext": pod_security(profile)}
    placed = placement(profile, "", "head")
    return {"spec": spec | placed | {"containers": [container]}}


def _template(submission: Submission, profile: Kubernetes, role: Role, resources: dict[str, str]) -> dict[str, Any]:
    run = run_name(submission.run_id)
    security = container_security(rdma=role == "worker" and profile.rdma is not None)
    container: dict[str, Any] = {
        "name": f"ray-{role}",
        "image": profile.image,
        "imagePullPolicy": profile.image_pull_policy,
        "resources": {"limits": resources, "requests": dict(resources)},
        "env": variables(profile),
        "securityContext": security,
        "lifecycle": lifecycle(submission),
    }
    parts = {"volumeMounts": mounts(profile)}
    container |= {key: part for key, part in parts.items() if part}
    spec: dict[str, Any] = {
        "terminationGracePeriodSeconds": grace_period(submission),
        "securityContext": pod_security(profile),
        **placement(profile, run, role),
    }
    around = {"initContainers": wheel_container(profile, security), "volumes": volumes(profile)}
    spec |= {key: part for key, part in around.items() if part}
    spec["containers"] = [container]
    metadata: dict[str, Any] = {"labels": {**profile.labels, RUN: run, ROLE: role}}
    if profile.annotations:
        metadata["annotations"] = dict(profile.annotations)
    return {"metadata": metadata, "spec": spec}

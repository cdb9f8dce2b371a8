"""Variables, volumes and the launcher's own code inside of a container."""

from typing import Any

from launcher.cluster.kubernetes import Kubernetes, Volume

WHEEL_FOLDER = "/opt/llama-launcher"
SETTINGS = {
    "PYTHONUNBUFFERED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # The preStop hook has drained the node already, and waited as long as there was something to wait for
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "5",
}


def variables(profile: Kubernetes) -> list[dict[str, Any]]:
    """The environment of a container: secrets by reference, never by value."""
    plain = SETTINGS | profile.environment
    if profile.wheel is not None:
        plain["PYTHONPATH"] = WHEEL_FOLDER
    # `$$` is how Kubernetes writes `$`, as it puts in other variables for `$(NAME)`
    told = [{"name": name, "value": value.replace("$", "$$")} for name, value in plain.items()]
    kept = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": profile.secret, "key": name}}} for name in profile.secrets
    ]
    return told + kept


def mounts(profile: Kubernetes) -> list[dict[str, Any]]:
    """Where a container sees the volumes."""
    found = [{"name": f"volume-{number}", "mountPath": one.mount} for number, one in enumerate(profile.volumes)]
    if profile.wheel is not None:
        found.append({"name": "launcher", "mountPath": WHEEL_FOLDER})
    return found


def volumes(profile: Kubernetes) -> list[dict[str, Any]]:
    """The volumes of a pod. KubeRay adds /dev/shm, in memory and as large as the container may be, by itself."""
    found = [{"name": f"volume-{number}", **_source(one)} for number, one in enumerate(profile.volumes)]
    if profile.wheel is not None:
        found.append({"name": "launcher", "emptyDir": {}})
    return found


def wheel_container(profile: Kubernetes, security: dict[str, Any]) -> list[dict[str, Any]]:
    """What installs the profile's wheel before the pod's Ray starts; none where the image has the launcher."""
    if profile.wheel is None:
        return []
    pip = ["python", "-m", "pip", "install", "--no-deps", "--no-cache-dir", "--target", WHEEL_FOLDER, profile.wheel]
    return [
        {
            "name": "launcher",
            "image": profile.image,
            "imagePullPolicy": profile.image_pull_policy,
            "command": pip,
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
            "securityContext": security,
            "volumeMounts": mounts(profile),
        }
    ]


def gibibytes(size: float) -> str:
    """As Kubernetes writes a quantity."""
    return f"{int(size)}Gi" if size == int(size) else f"{round(size * 1024)}Mi"


def _source(one: Volume) -> dict[str, Any]:
    if one.claim is not None:
        return {"persistentVolumeClaim": {"claimName": one.claim}}
    if one.host_path is not None:
        return {"hostPath": {"path": one.host_path, "type": "DirectoryOrCreate"}}
    assert one.empty_gib is not None
    medium = {"medium": "Memory"} if one.memory else {}
    return {"emptyDir": {**medium, "sizeLimit": gibibytes(one.empty_gib)}}

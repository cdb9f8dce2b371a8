"""Who a pod's processes are, and what they may do."""

from typing import Any

from launcher.cluster.kubernetes import Kubernetes


def pod_security(profile: Kubernetes) -> dict[str, Any]:
    """Nobody's root, and files of volumes belong to the pod's group."""
    return {
        "runAsNonRoot": True,
        "runAsUser": profile.run_as_user,
        "runAsGroup": profile.run_as_group,
        "fsGroup": profile.run_as_group,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security(*, rdma: bool) -> dict[str, Any]:
    """RDMA pins memory, for which the kernel asks for IPC_LOCK; nothing else is allowed."""
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if rdma:
        capabilities["add"] = ["IPC_LOCK"]
    return {"allowPrivilegeEscalation": False, "capabilities": capabilities}

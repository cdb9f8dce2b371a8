"""Submissions whose manifests are pinned, and those of shipped profiles."""

from pathlib import Path
from typing import Any

from launcher.backends.submission import Submission
from launcher.cluster.kubernetes import Kubernetes
from launcher.cluster.load import load_profile
from launcher.recipe.recipe import Recipe

RUN_ID = "sst2-lora-20261121"
PROFILE: dict[str, Any] = {
    "backend": "kubernetes",
    "image": "registry.example.com/llama-launcher:0.1.0",
    "storage": "s3://bucket/runs",
}
RECIPE: dict[str, Any] = {
    "name": "moods",
    "model": {"kind": "scratch"},
    "method": {"kind": "full"},
    "task": {"kind": "text"},
    "data": {"train": {"kind": "jsonl", "url": "s3://bucket/rows.jsonl"}, "split": {"test_per_class": 1}},
    "strategy": {"kind": "ddp"},
}
VOLUMES = (
    "{mount: /cache, host_path: /mnt/nvme}",
    "{mount: /data, claim: data}",
    "{mount: /scratch, empty_gib: 1.5, memory: true}",
)
DELETIONS = (
    "{policy: DeleteCluster, when: SUCCEEDED}",
    "{policy: DeleteSelf, when: SUCCEEDED, after_seconds: 60}",
)
GOLDEN = Path(__file__).parent / "golden"
GOLDEN_PROFILES: dict[str, tuple[str, list[str]]] = {
    "h100-1x8": ("kuberay-h100-1x8", []),
    "h100-4x8-rdma-kueue": ("kuberay-h100-4x8-rdma", ["exclude_hosts=[gpu-17]"]),
    "l4-spot-elastic": ("kuberay-l4-spot", []),
    "cpu": ("kuberay-cpu", []),
    "volcano": (
        "kuberay-h100-1x8",
        ["nodes=2", "volcano.queue=training", "priority_class=high", "submission=k8s-job", "limit_hours=12"],
    ),
    "everything-else": (
        "kuberay-h100-1x8",
        [
            "submission=http",
            "wheel=https://example.com/llama_launcher-0.1.0-py3-none-any.whl",
            "image_pull_secrets=[registry]",
            "context=production",
            "namespace=research",
            "resources={vpc.amazonaws.com/efa: 4}",
            f"volumes=[{', '.join(VOLUMES)}]",
            "environment={NCCL_DEBUG: WARN, PRICE: 5$ (five)}",
            "labels={team: research}",
            "annotations={owner.example.com/contact: me}",
            f"deletion_rules=[{', '.join(DELETIONS)}]",
            "start_minutes=null",
        ],
    ),
}
"""A shipped profile and overrides of each golden file."""


def submission(profile: Kubernetes, run_id: str = RUN_ID, **more: Any) -> Submission:
    url = f"{profile.storage.rstrip('/')}/{run_id}"
    return Submission(run_id, url, Recipe.model_validate(RECIPE), profile, number=1, **more)


def profile_of(**fields: Any) -> Kubernetes:
    return Kubernetes.model_validate(PROFILE | fields)


def golden_submission(name: str) -> Submission:
    reference, overrides = GOLDEN_PROFILES[name]
    profile = load_profile(reference, [f"cluster.{one}" for one in overrides])
    assert isinstance(profile, Kubernetes)
    return submission(profile, lead_s=41.5)

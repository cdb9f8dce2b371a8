"""How Ray starts the workers of an attempt, and where."""

from collections.abc import Callable
from typing import Any

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from launcher.plan.placement import Placement
from launcher.train.cluster import Cluster
from launcher.train.engines.ops import ops_are_built


def group_settings(placement: Placement, cluster: Cluster, attempt: int) -> dict[str, Any]:
    """What Ray's trainer is told of scale and environment. Its retries are off."""
    scaling: Any = ScalingConfig  # typed as an older one than it is
    running: Any = RunConfig
    return {
        "scaling_config": scaling(
            num_workers=placement.workers,
            use_gpu=placement.device == "cuda",
            label_selector=cluster.selectors(placement.workers),
        ),
        "run_config": running(
            name=f"attempt-{attempt}",  # it would go on from what it finds under a name
            storage_path=str(cluster.scratch / "train"),
            failure_config=FailureConfig(max_failures=0),
            worker_runtime_env={"env_vars": dict(cluster.variables)} if cluster.variables else None,
        ),
    }


def build_operators(placement: Placement, cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Build DeepSpeed's operators once on each machine, before workers would all do so."""
    if not cluster.nodes and (placement.device != "cpu" or ops_are_built()):
        return
    tell("building DeepSpeed's operators, once a machine")
    task = ray.remote(_build_ops)
    selectors = [node.selector for node in cluster.nodes] or [{}]
    ray.get([task.options(num_cpus=0, label_selector=one).remote(placement.device) for one in selectors])


def beside_driver() -> dict[str, str]:
    """Ray's label selector of the driver's own machine."""
    return {"ray.io/node-id": ray.get_runtime_context().get_node_id()}


def _build_ops(device: str) -> None:
    # Imported on the machine that runs it, and not in the driver
    from launcher.train.engines.ops import build_ops

    build_ops(device)

"""What this machine has, found without importing torch."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    gpus: int


def this_machine() -> Machine:
    """Cores this process may use, and NVIDIA GPUs that CUDA_VISIBLE_DEVICES leaves visible."""
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        gpus = min(gpus, len([device for device in visible.split(",") if device.strip() not in ("", "-1")]))
    return Machine(len(os.sched_getaffinity(0)), gpus)

"""What this machine has, found without importing torch."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

FP16_FLAGS = {"avx512_fp16", "amx_fp16"}
"""Either lets a CPU compute in fp16, as oneDNN asks."""


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    gpus: int
    cpu_fp16: bool = False
    """Whether its CPUs compute in fp16."""


def this_machine() -> Machine:
    """Cores this process may use, and NVIDIA GPUs that CUDA_VISIBLE_DEVICES leaves visible."""
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        gpus = min(gpus, len([device for device in visible.split(",") if device.strip() not in ("", "-1")]))
    return Machine(len(os.sched_getaffinity(0)), gpus, bool(FP16_FLAGS & _cpu_flags()))


def _cpu_flags() -> set[str]:
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return set(flags[1].split()) if flags else set()

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
    memory: int = 0
    """Bytes of host memory that this process may take; 0 where that is not known."""
    gpu_name: str | None = None
    """What the driver calls its GPUs, where it is asked without CUDA."""


def this_machine() -> Machine:
    """Cores this process may use, and NVIDIA GPUs that CUDA_VISIBLE_DEVICES leaves visible."""
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        gpus = min(gpus, len([device for device in visible.split(",") if device.strip() not in ("", "-1")]))
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        gpus=gpus,
        cpu_fp16=bool(FP16_FLAGS & cpu_flags()),
        memory=_host_memory(),
        gpu_name=_gpu_name(),
    )


def _host_memory() -> int:
    """The machine's, or what its control group (version 2) allows."""
    total = re.search(r"^MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    sizes = [int(total[1]) * 1024] if total else []
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (said := limit.read_text().strip()) != "max":
        sizes.append(int(said))
    return min(sizes, default=0)


def _gpu_name() -> str | None:
    for told in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        model = re.search(r"^Model:\s*(.+)$", told.read_text(), re.MULTILINE)
        if model:
            return model[1].strip()
    return None


def cpu_flags() -> set[str]:
    """What this machine's processors can do, as Linux names it."""
    flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return set(flags[1].split()) if flags else set()

"""What accelerators have and can do, from their makers' data sheets; what they cost is for the user to say."""

import re
from dataclasses import dataclass

from launcher.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Accelerator:
    name: str
    memory: int
    """Bytes, as nvidia-smi tells them."""
    peak: float
    """Dense bf16 operations a second, summed in fp32."""
    bandwidth: float
    """Bytes a second of its memory."""
    link: float
    """Bytes a second to the other devices of its node, in one direction."""
    network: float
    """Bytes a second to other nodes, a device: what nodes of its kind are sold with. Yours may differ."""
    host: float
    """Bytes a second to host memory over PCIe, in one direction."""


_TABLE = (
    # name, MiB, Tflop/s, TB/s, GB/s to its node, GB/s to others, GB/s to the host
    ("B200", 183_359, 2250, 8.0, 900, 50, 64),
    ("H200", 143_771, 989, 4.8, 450, 50, 64),
    ("H100", 81_559, 989, 3.35, 450, 50, 64),
    ("A100-80", 81_920, 312, 2.039, 300, 25, 32),
    ("A100-40", 40_960, 312, 1.555, 300, 25, 32),
    ("L40S", 46_068, 362, 0.864, 32, 6, 32),
    ("A10G", 23_028, 70, 0.6, 32, 3, 32),
    ("L4", 23_034, 121, 0.3, 32, 3, 32),
    ("RTX-A6000", 49_140, 155, 0.768, 32, 3, 32),
    ("RTX-4090", 24_564, 165, 1.008, 32, 3, 32),
)
ACCELERATORS = tuple(
    Accelerator(name, mib * 2**20, peak * 1e12, bandwidth * 1e12, link * 1e9, network * 1e9, host * 1e9)
    for name, mib, peak, bandwidth, link, network, host in _TABLE
)
"""SXM parts where there are several. https://www.nvidia.com/en-us/data-center/ (h200, h100, a100, l40s, l4), the white
papers of Blackwell, Ada and GA102, and https://aws.amazon.com/ec2/instance-types/g5 for A10G."""


def find_accelerator(name: str) -> Accelerator:
    """An accelerator by its name in the table, in any case; `A100` is the larger one.

    Raises:
        InvalidInput: the table does not have it.
    """
    wanted = {"A100": "A100-80"}.get(name.upper(), name.upper())
    found = next((each for each in ACCELERATORS if each.name == wanted), None)
    if found is None:
        known = ", ".join(each.name for each in ACCELERATORS)
        raise InvalidInput(f"--accelerator: {name} is not known; known are {known}")
    return found


def known_device(device_name: str, memory: int | None = None) -> Accelerator | None:
    """An accelerator by what its driver calls it, such as `NVIDIA A100-SXM4-80GB`, or None.

    Args:
        memory: Bytes it has; where a name stands for several, the nearest is taken, or by default the largest.
    """
    words = set(re.split(r"\W+", device_name))
    fitting = [each for each in ACCELERATORS if set(each.name.split("-")) - {"40", "80"} <= words]
    return min(fitting, key=lambda each: -each.memory if memory is None else abs(each.memory - memory), default=None)

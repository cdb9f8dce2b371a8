"""Where the workers of a local run go."""

from dataclasses import dataclass
from typing import Literal

from launcher.cluster.machine import Machine
from launcher.cluster.profile import Local
from launcher.errors import InvalidInput

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Placement:
    workers: int
    device: Device
    threads: int
    """Compute threads of one worker."""


def place(profile: Local, machine: Machine) -> Placement:
    """One worker a GPU; without GPUs two workers, or as many as there are cores.

    Raises:
        InvalidInput: the profile asks for more workers, or another accelerator, than the machine has.
    """
    device: Device = (
        "cuda" if profile.accelerator == "gpu" or (profile.accelerator == "auto" and machine.gpus) else "cpu"
    )
    available, name = (machine.gpus, "GPUs") if device == "cuda" else (machine.cores, "cores")
    if available == 0:
        raise InvalidInput("cluster.accelerator: gpu is asked for, but this machine has none; say cpu or auto")
    workers = profile.workers or (available if device == "cuda" else min(2, available))
    if workers > available and not (profile.oversubscribe and device == "cpu"):
        rehearse = ", or say cluster.oversubscribe: true" if device == "cpu" else ""
        raise InvalidInput(
            f"cluster.workers: {workers} workers do not fit this machine's {available} {name}; "
            f"ask for {available} at the most{rehearse}"
        )
    return Placement(workers, device, max(1, machine.cores // workers))

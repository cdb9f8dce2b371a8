"""Where the workers of a run go."""

from dataclasses import dataclass
from typing import Literal

from launcher.cluster.common import ManyNodes
from launcher.cluster.machine import Machine
from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class Placement:
    workers: int
    device: Device
    threads: int
    """Compute threads of one worker."""
    nodes: int = 1
    """Machines, of equally many workers each."""


def place(profile: Profile, machine: Machine) -> Placement:
    """What a profile of machines elsewhere says; here one worker a GPU, and without GPUs two, or one a core.

    Raises:
        InvalidInput: the profile asks for more workers, or another accelerator, than the machine has.
    """
    if isinstance(profile, ManyNodes):
        ranks = profile.ranks_per_node
        return Placement(
            workers=profile.nodes * ranks,
            device="cuda" if profile.gpus_per_node else "cpu",
            threads=max(1, profile.cpus_per_node // ranks),
            nodes=profile.nodes,
        )
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

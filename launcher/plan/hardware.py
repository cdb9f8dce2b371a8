"""What a run is planned for: machines that are here, or others by their name."""

from dataclasses import dataclass, replace

from launcher.cluster.common import Common, ManyNodes
from launcher.cluster.machine import Machine
from launcher.cluster.profile import Profile
from launcher.plan.accelerators import Accelerator, find_accelerator, known_device
from launcher.plan.placement import Device, Placement

NODE_GPUS = 8
"""GPUs a node of machines that are not here."""
THREADS = 8


@dataclass(frozen=True, slots=True)
class Hardware:
    placement: Placement
    node_ranks: int
    """Workers a node."""
    accelerator: Accelerator | None
    """None on a CPU, and of a GPU that the table does not know."""
    memory: int | None
    """Bytes that one worker may take of its device."""
    host: int | None
    """Bytes of a node's host memory, where that is known."""
    failure_s: float
    """Seconds between failures that are expected of one node."""
    price: float | None = None
    """Of an accelerator's hour, in any currency."""

    @property
    def world(self) -> int:
        return self.placement.workers

    @property
    def device(self) -> Device:
        return self.placement.device

    @property
    def nodes(self) -> int:
        return -(-self.world // self.node_ranks)

    def of_size(self, gpus: int) -> "Hardware":
        """The same machines, more or fewer of them."""
        return replace(
            self, placement=replace(self.placement, workers=gpus), node_ranks=min(gpus, max(self.node_ranks, NODE_GPUS))
        )


def named(placement: Placement, profile: ManyNodes, price: float | None = None) -> Hardware:
    """The machines that a profile describes.

    Raises:
        InvalidInput: their accelerator is not known.
    """
    ranks = profile.ranks_per_node
    found = find_accelerator(profile.accelerator) if profile.accelerator and profile.gpus_per_node else None
    host = None if profile.memory_gib_per_node is None else int(profile.memory_gib_per_node * 2**30)
    memory = None if host is None else host // ranks
    if placement.device == "cuda":
        memory = None if found is None else found.memory
    return Hardware(placement, ranks, found, memory, host, profile.hours_between_failures * 3600, price)


def here(placement: Placement, machine: Machine, profile: Profile, price: float | None = None) -> Hardware:
    """This machine, or those that the profile describes. On a CPU workers share a machine's memory."""
    if isinstance(profile, ManyNodes):
        return named(placement, profile, price)
    accelerator = known_device(machine.gpu_name) if placement.device == "cuda" and machine.gpu_name else None
    memory = machine.memory // placement.workers if placement.device == "cpu" and machine.memory else None
    if accelerator is not None:
        memory = accelerator.memory
    failure_s = profile.hours_between_failures * 3600
    return Hardware(placement, placement.workers, accelerator, memory, machine.memory or None, failure_s, price)


def elsewhere(gpus: int, accelerator: str, profile: Common, price: float | None = None) -> Hardware:
    """Machines that are not here, of 8 GPUs each.

    Raises:
        InvalidInput: the accelerator is not known.
    """
    found = find_accelerator(accelerator)
    placement = Placement(gpus, "cuda", THREADS)
    failure_s = profile.hours_between_failures * 3600
    return Hardware(placement, min(gpus, NODE_GPUS), found, found.memory, None, failure_s, price)

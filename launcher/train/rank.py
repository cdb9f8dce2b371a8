"""One rank of an attempt, as its own code sees itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from launcher.storage.store import Store
from launcher.train.desk import Desk, Message
from launcher.train.job import Job

if TYPE_CHECKING:
    from ray.actor import ActorHandle


@dataclass(frozen=True, slots=True)
class Seat:
    """Where a rank sits."""

    node: int
    """From 0."""
    local: int
    """From 0, on its node."""
    local_world: int
    """Ranks on its node."""


@dataclass(frozen=True, slots=True)
class Rank:
    number: int
    world: int
    seat: Seat
    device: torch.device
    job: Job
    store: Store
    desk: "ActorHandle[Desk]"

    @property
    def leads(self) -> bool:
        """Whether this is the rank that speaks and writes for all."""
        return self.number == 0

    def tell(self, message: Message) -> None:
        """Leave word at the desk without waiting, if this rank leads."""
        if self.leads:
            self.desk.post.remote(message)

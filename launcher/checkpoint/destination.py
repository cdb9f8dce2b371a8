"""What the processes of a node must know to store checkpoints, told once and as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from launcher.checkpoint.contents import Origin
from launcher.checkpoint.retention import Keep


@dataclass(frozen=True, slots=True)
class Destination:
    """One node's part in the checkpoints of an attempt."""

    run_url: str
    attempt: int
    nonce: str
    """Of the attempt's `open` entry."""
    origin: Origin
    trained: Mapping[str, int]
    """Elements of each trained parameter, by its name."""
    world: int
    node: int
    """From 0; node 0 commits."""
    local_world: int
    """Ranks on this node."""
    staging: str | None = None
    """Folder on the node's own disk that keeps the newest checkpoint, for a restart there."""
    rescue: str | None = None
    """Folder on the node's own disk for what can be committed no more; None where there is none."""
    keep: Keep | None = None
    """What stays when a new one is there; None keeps all."""
    read_back: bool = False
    """Verify by reading back, also where the store tells a checksum."""
    deadline_s: float = 900.0
    """For the store to come back, and for other nodes to finish their part."""

    def to_json(self) -> str:
        return _ADAPTER.dump_json(self).decode()

    @classmethod
    def from_json(cls, data: str | bytes) -> "Destination":
        return _ADAPTER.validate_json(data)


_ADAPTER: TypeAdapter[Destination] = TypeAdapter(Destination)

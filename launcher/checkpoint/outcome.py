"""What becomes of a snapshot."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Saved:
    """Stored and verified; on node 0 it is committed too."""

    step: int
    seconds: float
    """From the node's last rank's word on."""
    size: int
    """Bytes of this node's tensors."""
    notes: tuple[str, ...] = ()
    """What went wrong and did no harm to the checkpoint, a line each."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Not committed; the run goes on, and the next may be."""

    step: int
    why: str


@dataclass(frozen=True, slots=True)
class Rescued:
    """On the node's own disk, whole and verified by its receipts, and in no commit: an attempt there may commit it."""

    step: int
    folder: str


Outcome = Saved | Failed | Rescued

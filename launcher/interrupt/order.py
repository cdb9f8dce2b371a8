"""What ranks do about a notice when they stand between two steps: by the time that is left, and what saving costs."""

from dataclasses import dataclass
from enum import IntEnum

MARGIN_S = 3.0
"""For the journal's entries, and for a store that is slower than it was."""


class Order(IntEnum):
    """A number, as ranks agree on it in a sum."""

    SAVE = 1
    """Take a snapshot and commit it, after the one that may be on its way."""
    FINISH = 2
    """Commit what is on its way, and nothing newer."""
    RESCUE = 3
    """Leave a snapshot on this machine's own disk, for an attempt that starts here again: the one that is on its way,
    or else a new one."""
    LEAVE = 4
    """Nothing can be kept: the newest commit stands."""


@dataclass(frozen=True, slots=True)
class Costs:
    """In seconds, as measured so far or expected."""

    stall_s: float
    """Of a snapshot, in the loop."""
    upload_s: float
    """From snapshot to commit."""
    disk_s: float
    """From snapshot to this machine's own disk."""


def decide(left_s: float | None, costs: Costs, flying_s: float | None, *, fresh: bool) -> Order:
    """The most that can be kept.

    Args:
        left_s: Seconds until everything is killed; None where nobody says.
        flying_s: Seconds since the snapshot that is on its way was taken; None where none is.
        fresh: Whether steps have run since the last snapshot.
    """
    landing = 0.0 if flying_s is None else max(costs.upload_s - flying_s, 0.0)
    lands = flying_s is not None and _fits(left_s, landing)
    if fresh and _fits(left_s, landing + costs.stall_s + costs.upload_s):
        return Order.SAVE
    if lands or not (fresh or flying_s is not None):
        return Order.FINISH
    if _fits(left_s, costs.disk_s + (costs.stall_s if flying_s is None else 0.0)):
        return Order.RESCUE
    return Order.LEAVE


def _fits(left_s: float | None, seconds: float) -> bool:
    return left_s is None or seconds + MARGIN_S <= left_s

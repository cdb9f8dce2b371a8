"""A notice that the attempt must end, whoever gives it, and what several of them come to."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["time-limit", "preemption", "drain", "grow", "stop"]


@dataclass(frozen=True, slots=True)
class Notice:
    kind: Kind
    why: str
    """Who says so, in a few words."""
    deadline: float | None = None
    """When what is left is killed, on this process's monotonic clock in seconds; None where nobody says."""
    nodes: tuple[str, ...] = ()
    """Host names of the machines that go, or to `grow` of those that came; none for the whole allocation."""

    @property
    def whole(self) -> bool:
        """Whether nothing is left to train on."""
        return not self.nodes

    def seconds_left(self, now: float) -> float | None:
        """Until the deadline, by a time of the same clock; negative when it has passed."""
        return None if self.deadline is None else self.deadline - now


def gathered(notices: Iterable[Notice]) -> Notice | None:
    """What notices come to together, in whatever order they came; None where there are none.

    A stop stays a stop, as it must not be started again. The whole allocation goes before some of its nodes. The
    earliest deadline holds, whoever said it.
    """
    kept = list(notices)
    if not kept:
        return None
    first = min(kept, key=_urgency)
    deadlines = [each.deadline for each in kept if each.deadline is not None]
    whole = any(each.whole for each in kept)
    nodes = () if whole else tuple(sorted({node for each in kept for node in each.nodes}))
    return Notice(first.kind, first.why, min(deadlines, default=None), nodes)


def _urgency(notice: Notice) -> tuple[bool, bool, float, str, str]:
    deadline = math.inf if notice.deadline is None else notice.deadline
    return notice.kind != "stop", not notice.whole, deadline, notice.kind, notice.why

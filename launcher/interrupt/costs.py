"""What a save costs, for a decision that cannot be taken twice: measured where there is a measurement."""

from dataclasses import dataclass, field

from launcher.interrupt.order import Costs

COPY = 1e9
"""Bytes a second of a rank's snapshot, before the first was measured: what slow memory does."""
STORE = 1e8
"""Bytes a second that a node uploads, before the first upload was measured: a slow object store's."""
DISK = 2e8
"""Bytes a second of a machine's own disk."""
ANSWERS_S = 2.0
"""For receipts, manifest and entry, before an upload was measured."""
SHARE = 0.5
"""Of the latest measurement in the average."""


@dataclass(slots=True)
class Meter:
    """Seconds that something takes.

    Attributes:
        expected: Before the first measurement.
        latest: The latest measurement; 0 before the first.
    """

    expected: float
    latest: float = 0.0
    _average: float | None = None

    def add(self, seconds: float) -> None:
        before = seconds if self._average is None else self._average
        self._average, self.latest = before + SHARE * (seconds - before), seconds

    @property
    def seconds(self) -> float:
        """The latest, or the average where that is more."""
        return self.expected if self._average is None else max(self._average, self.latest)


@dataclass(slots=True)
class SaveCosts:
    """Of one rank and its node.

    Attributes:
        rank_bytes: Of a rank's snapshot, expected.
        ranks: On the node, which share its disk and its way to the store.
    """

    rank_bytes: float
    ranks: int
    stall: Meter = field(init=False)
    upload: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.stall = Meter(self.rank_bytes / COPY)
        self.upload = Meter(ANSWERS_S + self.rank_bytes * self.ranks / STORE)

    def now(self) -> Costs:
        disk_s = 0.5 + self.rank_bytes * self.ranks / DISK
        return Costs(self.stall.seconds, self.upload.seconds, disk_s)

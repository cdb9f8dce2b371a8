import threading
from collections.abc import Mapping

from launcher.track.background import Background, close_all


class Kept:
    """Keeps what it is told, or waits before it does, or refuses."""

    def __init__(self, gate: threading.Event | None = None, refuse: int | None = None) -> None:
        self.calls: list[object] = []
        self._gate = gate
        self._refuse = refuse

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if self._gate:
            self._gate.wait()
        if step == self._refuse:
            raise OSError("no room\nleft")
        self.calls.append((step, dict(values)))

    def flush(self) -> None:
        self.calls.append("flush")

    def close(self, exit_code: int) -> None:
        self.calls.append(exit_code)


def test_a_tracker_is_told_everything_in_order(told: list[str]) -> None:
    kept = Kept()
    tracker = Background("W&B", lambda: kept, told.append)
    values = {"loss": 1.0}
    tracker.log(1, values)
    values["loss"] = 2.0
    tracker.log(2, values)
    tracker.flush()
    close_all([tracker], 75)
    assert kept.calls == [(1, {"loss": 1.0}), (2, {"loss": 2.0}), "flush", 75]
    assert told == []


def test_a_tracker_that_fails_is_switched_off_and_told_once(told: list[str]) -> None:
    kept = Kept(refuse=2)
    tracker = Background("W&B", lambda: kept, told.append)
    for step in range(1, 5):
        tracker.log(step, {})
    close_all([tracker], 0)
    assert kept.calls == [(1, {})]
    assert told == ["W&B is switched off: no room left; training goes on, and the event log has everything"]


def test_a_tracker_that_cannot_be_made_is_told_once(told: list[str]) -> None:
    def make() -> Kept:
        raise ValueError

    tracker = Background("W&B", make, told.append)
    tracker.log(1, {})
    tracker.flush()
    close_all([tracker], 0)
    assert len(told) == 1
    assert told[0].startswith("W&B is switched off: ValueError;")


def test_a_tracker_that_hangs_costs_values_and_neither_steps_nor_the_end(told: list[str]) -> None:
    gate, kept = threading.Event(), Kept()
    slow = Kept(gate)
    tracker, other = (
        Background("W&B", lambda: slow, told.append, capacity=3),
        Background("other", lambda: kept, told.append),
    )
    for step in range(100):
        tracker.log(step, {})
        other.log(step, {})
    close_all([tracker, other], 0, seconds=0.2)
    missed, left = sorted(told)
    assert missed.startswith("W&B cannot keep up: it misses values from step ")
    assert left == "W&B did not end in 0 s, and is left behind; the event log has everything"
    assert kept.calls == [*((step, {}) for step in range(100)), 0]
    gate.set()
    tracker.wait(10)
    assert slow.calls[-1] == 0
    assert len(slow.calls) < 10

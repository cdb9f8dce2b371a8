"""What a tracker is, and what it is told of the run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from launcher.storage.store import Store

Tell = Callable[[str], None]
"""Takes one line for the user; called from any thread."""


class Tracker(Protocol):
    """Takes the numbers of one attempt; for one thread, and free to fail or to be slow, within a bound."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note values of a step; steps do not fall."""

    def flush(self) -> None:
        """Bring what was noted into the run directory."""

    def close(self, exit_code: int) -> None:
        """Bring everything to where it belongs, and leave nothing running."""


@dataclass(frozen=True, slots=True)
class TrackedRun:
    run_id: str
    store: Store
    """The run directory."""
    config: Mapping[str, Any]
    """The resolved recipe."""
    resumed_step: int | None
    """The step whose commit this attempt goes on from; 0 where an earlier one left none; None in the first attempt."""
    past: Iterable[Mapping[str, Any]]
    """Events of the earlier attempts, in their order; read once, if at all."""

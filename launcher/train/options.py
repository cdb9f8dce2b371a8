"""What a command line says of a run besides its recipe and its profile, wherever it trains."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    run_id: str | None = None
    takeover: bool = False
    """The user's word that the attempt before has ended."""
    may_change: tuple[str, ...] = ()
    """Fields of the recipe that a run which goes on may have changed."""

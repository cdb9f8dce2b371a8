"""What a command line says of a run besides its recipe and its profile, wherever it trains."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    run_id: str | None = None
    takeover: bool = False
    """The user's word that the attempt before has ended."""
    may_change: tuple[str, ...] = ()
    """Fields of the recipe that a run which goes on may have changed."""

    @property
    def flags(self) -> list[str]:
        """As a command line has them."""
        named = [] if self.run_id is None else ["--run-id", self.run_id]
        changed = [word for field in self.may_change for word in ("--allow-recipe-change", field)]
        return [*named, *changed, *(["--takeover"] if self.takeover else [])]

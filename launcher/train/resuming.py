"""Going on from the newest commit: found by the driver, taken up by every rank."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.recipe_change import check_recipe
from launcher.data.stream.cursor import MixtureCursor
from launcher.data.stream.stream import EpochEnd
from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class Progress:
    """What a checkpoint holds besides tensors: with them it is enough to go on."""

    step: int
    last: bool
    """Training ended with it."""
    cursor: MixtureCursor
    counters: Mapping[str, int | float]
    skipped: int
    """Steps that the schedule did not move with."""
    stopping: Mapping[str, Any]
    """Of early stopping."""
    has_best: bool
    """Whether the best weights are there too."""
    global_batch: int
    ended: tuple[EpochEnd, ...]
    """What each whole epoch so far consumed and left out: together every document once."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Progress":
        return _PROGRESS.validate_json(json.dumps(state))


_PROGRESS: TypeAdapter[Progress] = TypeAdapter(Progress)


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an attempt goes on."""

    commit: Commit
    progress: Progress
    folder: str
    """On each node's own disk, for files that are fetched."""


def resume_point(
    store: Store, recipe: Recipe, folder: Path, tell: Callable[[str], None], may_change: Collection[str] = ()
) -> Resume | None:
    """The newest commit that verifies; None where a run has none.

    Raises:
        InvalidInput: the run began with another recipe, in more than may change, or another launcher wrote it.
        StoreFailed: the store failed until the deadline.
    """
    from launcher.checkpoint.restore import newest_valid

    found = newest_valid(store, Journal(store), tell, folder)
    if found is None:
        return None
    for line in check_recipe(found.manifest.origin, recipe.model_dump(mode="json"), recipe.digest, may_change):
        tell(f"changed   {line}")
    try:
        progress = Progress.from_json(found.state)
    except ValidationError as invalid:
        error = invalid.errors()[0]
        where = ".".join(str(part) for part in error["loc"])
        raise InvalidInput(
            f"{store.location}/{found.commit.checkpoint} holds the state of another launcher ({where}: "
            f"{error['msg']}); go on with the launcher that wrote it, or start under another --run-id"
        ) from None
    return Resume(found.commit, progress, str(folder))

"""Whether two runs ended alike: weights bit for bit, and the same documents."""

from dataclasses import dataclass
from typing import Any

from launcher.checkpoint.contents import MANIFEST, Manifest
from launcher.checkpoint.entries import Commit, live_commits
from launcher.checkpoint.journal import Journal
from launcher.errors import LauncherError
from launcher.storage.layout import MODEL
from launcher.storage.store import Store
from launcher.track.events import read_events
from launcher.train.resuming import Progress


@dataclass(frozen=True, slots=True)
class Alike:
    weights: bool
    """Bit for bit."""
    documents: bool
    """What each epoch consumed and left out, and where the data stand."""
    loss: float
    """The largest difference of a step's loss, in nats; infinite where the steps differ."""


def compare(one: Store, other: Store) -> Alike:
    """Hold two runs that have ended against each other.

    Raises:
        LauncherError: one of them has no model, or no commit that is kept.
    """
    same = weights(one) == weights(other)
    mine, wanted = last_progress(one), last_progress(other)
    documents = (mine.cursor.sources, mine.ended) == (wanted.cursor.sources, wanted.ended)
    return Alike(same, documents, _furthest(losses(one), losses(other)))


def weights(store: Store) -> dict[str, bytes]:
    """The model's files of weights, by name. Raises LauncherError where there are none."""
    names = [name for name in store.list(MODEL) if name.endswith(".safetensors")]
    if not names:
        raise LauncherError(f"{store.location} has no model: it did not run to its end")
    return {name: store.read(name) for name in names}


def steps(store: Store) -> dict[int, dict[str, Any]]:
    """Each step's event; of one that was run again, the last attempt's."""
    return {event["step"]: event for event in read_events(store) if event["kind"] == "step"}


def losses(store: Store) -> dict[int, float]:
    """By step, in nats."""
    return {step: float(event["loss"]) for step, event in steps(store).items()}


def last_manifest(store: Store) -> Manifest:
    """Of the newest checkpoint that is kept. Raises LauncherError where there is none, or it is another one."""
    kept: list[Commit] = [each for each in live_commits(Journal(store).entries()) if each.checkpoint != MODEL]
    if not kept:
        raise LauncherError(f"{store.location} has no commit: training.save_strategy must not be no")
    place = f"{kept[-1].checkpoint}/{MANIFEST}"
    manifest = Manifest.from_json(store.read(place), place)
    if manifest.digest != kept[-1].manifest_digest:
        raise LauncherError(f"{store.location}/{place} is not the one that was committed")
    return manifest


def last_progress(store: Store) -> Progress:
    """Where the run stood at its newest commit."""
    return Progress.from_json(last_manifest(store).state)


def _furthest(one: dict[int, float], other: dict[int, float]) -> float:
    if one.keys() != other.keys():
        return float("inf")
    return max((abs(one[step] - other[step]) for step in one), default=0.0)

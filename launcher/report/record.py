"""What a run directory tells of its run, read once for reports and comparisons."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from launcher.checkpoint.contents import MANIFEST, Manifest
from launcher.checkpoint.entries import Entry, live_commits
from launcher.checkpoint.journal import Journal
from launcher.evaluate.metrics import ClassificationMetrics
from launcher.evaluate.written import Generation, read_generations
from launcher.recipe.recipe import Recipe
from launcher.report.attempts import AttemptRecord, attempt_records
from launcher.storage.layout import GENERATIONS, METRICS, MODEL, PREDICTIONS, RECIPE
from launcher.storage.store import Store
from launcher.track.events import read_events
from launcher.track.values import NOT_FINITE, RESUME

Event = Mapping[str, Any]
Curve = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its own files tell it, finished or not."""

    location: str
    recipe_text: str
    """recipe.yaml as it stands in the run directory."""
    recipe: Recipe
    strategy: str
    """The newest attempt's, which chose it where the recipe says `auto`."""
    attempts: Sequence[AttemptRecord]
    steps: Sequence[Event]
    """`step` events of the steps that were kept, in order."""
    redone: Sequence[Event]
    """`step` events that a later attempt went back behind."""
    evaluations: Sequence[Event]
    """`evaluation` events that were kept, in order."""
    result: Event | None
    """`base` and `tuned` scores of the test rows; None before the end."""
    metrics: Mapping[str, ClassificationMetrics]
    """By model, where the task has labels and the run has ended."""
    predictions: Sequence[Mapping[str, str]]
    """Rows of predictions.csv."""
    generations: Sequence[Generation]
    """What both models wrote after test rows' prompts, where that was kept."""
    manifest: Manifest | None
    """Of the newest checkpoint that is there."""
    model_bytes: int | None
    """Of the trained adapter's or model's weights; None before the end."""

    @property
    def run_id(self) -> str:
        return self.location.rsplit("/", 1)[-1]

    @property
    def finished(self) -> bool:
        return self.model_bytes is not None

    def curve(self, field: str) -> Curve:
        """(step, value) of every kept step that tells a finite number under this name."""
        return curve(self.steps, field)


def read_run(store: Store) -> RunRecord:
    """Read a run directory; nothing in it is changed.

    Raises:
        LauncherError: the journal or a manifest is damaged.
    """
    text, entries, events = store.read(RECIPE).decode(), Journal(store).entries(), list(read_events(store))
    kept, redone = divide(events)
    results = [event for event in kept if event["kind"] == "result"]
    recipe = Recipe.model_validate(yaml.safe_load(text))
    return RunRecord(
        location=store.location,
        recipe_text=text,
        recipe=recipe,
        strategy=_strategy(recipe, events),
        attempts=attempt_records(entries, events),
        steps=[event for event in kept if event["kind"] == "step"],
        redone=[event for event in redone if event["kind"] == "step"],
        evaluations=[event for event in kept if event["kind"] == "evaluation"],
        result=results[-1] if results else None,
        metrics=_metrics(store),
        predictions=_predictions(store),
        generations=read_generations(store.read(GENERATIONS)) if store.exists(GENERATIONS) else [],
        manifest=_manifest(store, entries),
        model_bytes=_model_bytes(store, entries),
    )


def _strategy(recipe: Recipe, events: Iterable[Event]) -> str:
    begins = [event for event in events if event["kind"] == RESUME]
    return begins[-1].get("strategy", recipe.strategy.key) if begins else recipe.strategy.key


def divide(events: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """Events that were kept, and those of steps that a later attempt went back behind, each in order."""
    kept: list[Event] = []
    redone: list[Event] = []
    for event in events:
        if event["kind"] == RESUME:
            redone += [past for past in kept if past["step"] > event["step"]]
            kept = [past for past in kept if past["step"] <= event["step"]]
        elif "step" in event:
            kept.append(event)
    return kept, redone


def curve(events: Iterable[Event], field: str) -> Curve:
    """(step, value) of the events that tell a finite number under this name."""
    told = ((event["step"], event.get(field)) for event in events)
    return [(step, value) for step, value in told if value is not None and value not in NOT_FINITE]


def _metrics(store: Store) -> dict[str, ClassificationMetrics]:
    if not store.exists(METRICS):
        return {}
    return {name: ClassificationMetrics.from_dict(each) for name, each in json.loads(store.read(METRICS)).items()}


def _predictions(store: Store) -> list[dict[str, str]]:
    if not store.exists(PREDICTIONS):
        return []
    return list(csv.DictReader(io.StringIO(store.read(PREDICTIONS).decode(), newline="")))


def _manifest(store: Store, entries: Iterable[Entry]) -> Manifest | None:
    for commit in reversed(live_commits(entries)):
        name = f"{commit.checkpoint}/{MANIFEST}"
        if commit.checkpoint != MODEL and store.exists(name):
            return Manifest.from_json(store.read(name), f"{store.location}/{name}")
    return None


def _model_bytes(store: Store, entries: Iterable[Entry]) -> int | None:
    if all(commit.checkpoint != MODEL for commit in live_commits(entries)):
        return None
    return sum(store.size(name) for name in store.list(MODEL) if name.endswith(".safetensors"))

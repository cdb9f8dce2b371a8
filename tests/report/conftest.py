"""Run directories written as runs write them, with times that are known."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from launcher.checkpoint.entries import Close, Commit, Entry, Open, entry_to_json
from launcher.evaluate.metrics import classification_metrics
from launcher.evaluate.outcome import store_metrics
from launcher.evaluate.predictions import Predictions, predictions_csv
from launcher.evaluate.table import BASE, CLASSICAL, TUNED
from launcher.evaluate.written import Generation, generations_jsonl
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import GENERATIONS, PREDICTIONS, RECIPE
from launcher.storage.store import Store

START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def iso(second: float) -> str:
    return datetime.fromtimestamp(START + second, UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Told:
    """One attempt: steps `first` to `last` of a second each, the first done a second after it began to train."""

    opened: float
    trains: float
    after: int
    last: int
    closed: float | None
    cause: str = "done"
    code: int = 0
    saves: Sequence[int] = ()
    finished: bool = False
    chosen: Mapping[str, Any] = field(default_factory=dict)


def write_run(folder: Path, recipe: Recipe, attempts: Sequence[Told]) -> Store:
    """A run directory; its attempts are told in order."""
    store = Store.open(str(folder))
    store.create(RECIPE, resolved_yaml(recipe).encode())
    entries: list[Entry] = []
    for number, told in enumerate(attempts, 1):
        took = None if number == 1 or attempts[number - 2].closed is not None else "--takeover"
        entries.append(
            Open(attempt=number, time=iso(told.opened), backend="local", job_id="7", hosts=("node-1",), took_over=took)
        )
        for step in told.saves:
            at = iso(told.trains + step - told.after)
            entries.append(
                Commit(attempt=number, time=at, step=step, checkpoint=f"checkpoints/{step}", manifest_digest="0")
            )
        if told.finished:
            at = iso(told.trains + told.last - told.after + 1)
            entries.append(Commit(attempt=number, time=at, step=told.last, checkpoint="model", manifest_digest="0"))
            store.create("model/adapter_model.safetensors", b"0" * 2048)
        if told.closed is not None:
            entries.append(Close(attempt=number, time=iso(told.closed), cause=told.cause, exit_code=told.code))
        store.create(f"events/{number:06d}-00000-000000.jsonl", _events(number, told))
    for place, entry in enumerate(entries, 1):
        store.create(f"journal/{place:08d}.json", entry_to_json(entry))
    return store


def _events(attempt: int, told: Told) -> bytes:
    def event(second: float, kind: str, step: int, **fields: Any) -> dict[str, Any]:
        return {"time": iso(second), "attempt": attempt, "rank": 0, "kind": kind, "step": step, **fields}

    events = [event(told.trains, "resume", told.after, **told.chosen)]
    for step in range(told.after + 1, told.last + 1):
        measured = {"loss": 2.0 / step, "learning_rate": 1e-3, "grad_norm": "nan" if step == 2 else 1.0}
        speed = {"tokens_per_second": 100.0 * step, "memory_gib": 0.5, "mfu": None}
        events.append(event(told.trains + step - told.after, "step", step, **measured, **speed))
    for step in told.saves:
        second = told.trains + step - told.after
        events.append(event(second, "commit", step, committed=step, bytes=2048, stall_s=0.01, upload_s=0.2))
    if told.finished:
        loss = {"base": {"loss": 2.0}, "tuned": {"loss": 1.0}}
        events.append(event(told.trains + told.last - told.after + 0.5, "result", told.last, **loss))
    return "".join(f"{json.dumps(each)}\n" for each in events).encode()


def add_scores(store: Store, labels: Sequence[str], rows: int = 60) -> None:
    """Metrics and predictions of a base that always says the first label and a tuned model that is nearly right."""
    true = [labels[row % len(labels)] for row in range(rows)]
    right = [label if row % 10 else labels[0] for row, label in enumerate(true)]
    even, sure = [[1 / len(labels)] * len(labels)] * rows, [[float(each == said) for each in labels] for said in right]
    base = [labels[0]] * rows
    store_metrics(
        store,
        {
            BASE: classification_metrics(true, base, labels, even),
            TUNED: classification_metrics(true, right, labels, sure),
            CLASSICAL: classification_metrics(true, base, labels),
        },
    )
    texts = [f"row {row} of <b>{label}</b>" for row, label in enumerate(true)]
    store.write(PREDICTIONS, predictions_csv(texts, true, labels, Predictions(base, even), Predictions(right, sure)))


def add_generations(store: Store) -> list[Generation]:
    """What a base that writes nothing and a tuned model that is right once wrote."""
    rows = [
        Generation("Define: <flu>", "a viral disease", {BASE: "", TUNED: "a viral disease"}),
        Generation("Define: gout", "a disease of joints", {BASE: "", TUNED: "a disease"}),
    ]
    store.write(GENERATIONS, generations_jsonl(rows))
    return rows


INTERRUPTED = (
    Told(opened=0, trains=10, after=0, last=30, closed=None, saves=(10, 20)),
    Told(opened=50, trains=60, after=20, last=40, closed=85, cause="cancelled", code=130, saves=(30, 40)),
    Told(opened=100, trains=110, after=40, last=60, closed=140, saves=(50, 60), finished=True),
)
"""Killed after step 30, of which 20 were saved; cancelled; done."""


@pytest.fixture
def interrupted(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> Store:
    """A finished run of three attempts, with scores."""
    store = write_run(tmp_path / "run", recipe_of(), INTERRUPTED)
    add_scores(store, ["negative", "neutral", "positive"])
    return store

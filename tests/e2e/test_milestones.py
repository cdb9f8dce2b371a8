"""Evaluations, checkpoints and early stopping, as a run's journal and events tell them."""

import json
import re
from typing import Any

import pytest
import yaml

from launcher.recipe.sentinel import Sentinel
from launcher.storage.store import Store
from launcher.track.events import read_events
from launcher.train.sentinel import horizon
from tests.e2e.command import Bench, Ended, the_one_line
from tests.small import SMALL

BEHIND = horizon(Sentinel())
VALIDATION = "data.validation={kind: headlines, rows_per_class: 8, templates: held-out, seed: 3}"


def journal(bench: Bench, run: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((bench.runs / run / "journal").iterdir())]


def events(bench: Bench, run: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in read_events(Store.open(str(bench.runs / run))) if event["kind"] == kind]


@pytest.fixture(scope="module")
def evaluated(bench: Bench) -> Ended:
    return bench.launcher(
        "run",
        "small.yaml",
        VALIDATION,
        "training.max_steps=40",
        "training.evaluation_strategy=steps",
        "training.eval_steps=10",
        "training.logging_steps=5",
        "training.save_steps=8",
        "training.save_total_limit=2",
        "training.load_best_model_at_end=true",
        "training.metric_for_best_model=accuracy",
        "strategy={kind: deepspeed, zero_stage: 3, param_persistence_threshold: 0}",
        "cluster.workers=2",
        "--run-id",
        "evaluated",
    )


def test_validation_rows_are_scored_when_they_are_due(bench: Bench, evaluated: Ended) -> None:
    assert evaluated.code == 0, evaluated.err
    found = events(bench, "evaluated", "evaluation")
    assert [event["step"] for event in found] == [10, 20, 30, 40]
    assert all({"loss", "accuracy", "macro_f1"} <= event.keys() for event in found)
    said = re.findall(r"^step (\d+): validation loss \S+, accuracy \S+, macro_f1 \S+$", evaluated.out, re.MULTILINE)
    assert said == ["10", "20", "30", "40"]
    assert [event["step"] for event in events(bench, "evaluated", "step")] == list(range(5, 41, 5))


def test_checkpoints_are_committed_and_the_oldest_let_go(bench: Bench, evaluated: Ended) -> None:
    assert evaluated.code == 0, evaluated.err
    entries = journal(bench, "evaluated")
    *commits, model = [(entry["step"], entry["checkpoint"]) for entry in entries if entry["kind"] == "commit"]
    assert model == (40, "model")
    skipped = [event["step"] for event in events(bench, "evaluated", "save-skipped")]
    assert sorted([*skipped, *(step for step, _ in commits)]) == [8, 16, 24, 32, 40]
    assert commits[-1][0] == 40
    retired = [entry["checkpoint"] for entry in entries if entry["kind"] == "retire"]
    kept = {f"checkpoints/{folder.name}" for folder in (bench.runs / "evaluated/checkpoints").iterdir()}
    assert kept == {folder for _, folder in commits} - set(retired)
    # Two of the newest, and one that is old enough to roll back to
    steps = {step for step, folder in commits if folder in kept}
    assert steps == {step for step, _ in commits[-2:]} | {max(step for step, _ in commits if step <= 40 - BEHIND)}


def test_the_best_evaluation_gives_the_model(bench: Bench, evaluated: Ended) -> None:
    assert evaluated.code == 0, evaluated.err
    found = events(bench, "evaluated", "evaluation")
    best = max(found, key=lambda event: (event["accuracy"], -event["step"]))
    assert f"the best evaluation was that after step {best['step']}: its weights stay" in evaluated.out


@pytest.mark.slow
def test_a_run_stops_when_nothing_gets_better(bench: Bench) -> None:
    ended = bench.launcher(
        "run",
        "small.yaml",
        VALIDATION,
        "training.learning_rate=1.0e-12",
        "training.eval_strategy=steps",
        "training.eval_steps=4",
        "training.early_stopping_patience=2",
        "training.early_stopping_threshold=0.01",
        "cluster.workers=1",
        "--run-id",
        "stopped-early",
    )
    assert ended.code == 0, ended.err
    assert "stopped after step 12: 2 evaluations without an improvement" in ended.out
    assert [event["step"] for event in events(bench, "stopped-early", "step")] == list(range(1, 13))
    commits = [entry for entry in journal(bench, "stopped-early") if entry["kind"] == "commit"]
    assert [entry["step"] for entry in commits[-2:]] == [12, 12]
    assert commits[-1]["checkpoint"] == "model"


CHAT = """\
{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}\
{% if add_generation_prompt %}<|assistant|>{% endif %}"""


@pytest.mark.slow
def test_conversations_are_learnt_and_a_broken_one_is_told_by_its_row(bench: Bench) -> None:
    def talk(number: int) -> list[dict[str, str]]:
        return [
            {"role": "user", "content": f"What comes after {number}?"},
            {"role": "assistant", "content": f"{number + 1}."},
        ]

    talks = [{"messages": talk(number)} for number in range(60)]
    rows = bench.folder / "talks.json"
    rows.write_text(json.dumps(talks))
    recipe = {
        "name": "talks",
        "model": {**SMALL["model"], "vocab_size": 400},
        "method": {"kind": "full"},
        "task": {"kind": "chat", "template": CHAT},
        "data": {
            "train": {"kind": "json", "url": "talks.json"},
            "split": {"test_per_class": 6, "validation_per_class": 6},
        },
        "strategy": {"kind": "ddp"},
        "training": {"epochs": 3, "max_length": 96, "lr": 0.003, "evaluation_strategy": "epoch"},
    }
    (bench.folder / "talks.yaml").write_text(yaml.safe_dump(recipe))
    ended = bench.launcher("run", "talks.yaml", "cluster.workers=1", "--run-id", "talks")
    assert ended.code == 0, ended.err
    base, tuned = (float(loss) for loss in re.findall(r"^(?:base|tuned) +loss (\S+),", ended.out, re.MULTILINE))
    assert tuned < base - 0.5
    rows.write_text(json.dumps([*talks, {"messages": [{"role": "assistant", "content": "Hello."}]}]))
    line = the_one_line(bench.launcher("run", "talks.yaml", "--run-id", "broken"), code=2)
    assert line.startswith("data.train: row 61: ")

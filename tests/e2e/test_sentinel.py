"""Bad steps through the real command line: one poisoned document, and weights that go to infinity."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher.checkpoint.entries import Close, RolledBack
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.e2e.command import the_one_line
from tests.faults.checks import check_every_document_once
from tests.faults.recipes import MODEL
from tests.faults.trial import StoreBench, Trial

DOCUMENTS, BATCH = 240, 4
WORDS = ("profit", "sales", "orders", "costs", "margins")
POISON = 160
"""Which row is poisoned; with this seed of the order it comes late enough for the others to be known by then."""


def rows() -> list[str]:
    """Sentences that are soon foreseen but for their number, and one row of random characters."""
    drawn = random.Random(1)
    made = [f"the {WORDS[row % 5]} of the firm rose by {100 + row} percent" for row in range(DOCUMENTS)]
    made[POISON] = "".join(drawn.choice("qxzjkvw#@%&!0123456789") for _ in range(120))
    return made


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> StoreBench:
    folder = tmp_path_factory.mktemp("sentinel")
    test = [f"the costs of the firm rose by {row} percent" for row in range(900, 908)]
    for name, texts in (("train", rows()), ("test", test)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts))
    recipe: dict[str, Any] = {
        "name": "poisoned",
        "model": MODEL,
        "method": {"kind": "full"},
        "task": {"kind": "text"},
        "data": {name: {"kind": "jsonl", "url": f"{name}.jsonl"} for name in ("train", "test")},
        "strategy": {"kind": "ddp"},
        "training": {"max_length": 128, "global_batch_size": BATCH, "learning_rate": 0.003, "save_steps": 4},
        "evaluation": {"classical": False},
        "sentinel": {"spike_steps": 1, "warmup_steps": 15, "not_finite_steps": 2},
    }
    (folder / "poisoned.yaml").write_text(yaml.safe_dump(recipe))
    return StoreBench(folder, shared)


def trial(bench: StoreBench, run_id: str, *words: str) -> Trial:
    return Trial(bench, ("poisoned.yaml", *words), 2, run_id, Store.open(str(bench.runs / run_id)))


def events(store: Store, *kinds: str) -> list[dict[str, Any]]:
    return [event for event in read_events(store) if event["kind"] in kinds]


def test_a_poisoned_document_is_gone_back_behind_and_left_out(bench: StoreBench, tmp_path: Path) -> None:
    run = trial(bench, "poisoned")
    ended = run.to_the_end()
    (back,) = [each for each in run.entries() if isinstance(each, RolledBack)]
    spike, rolled = events(run.store, "loss-spike", "roll-back")
    bad = spike["step"]
    assert (rolled["kind"], rolled["step"], rolled["to_step"]) == ("roll-back", bad, bad - 2)
    assert (back.attempt, back.step, back.first, back.end) == (1, bad - 2, BATCH * (bad - 2), BATCH * bad)
    assert f"rolled back  steps {bad} to {bad} went bad: a loss far above the median of" in ended.out
    kept = run.steps()
    poisoned = next(event for event in read_events(run.store) if event["kind"] == "step" and event["step"] == bad)
    assert poisoned["loss"] > 2 * max(event["loss"] for step, event in kept.items() if step > 20)
    assert poisoned["tokens"] > max(event["tokens"] for event in kept.values()), "no step that counts has the long one"
    assert check_every_document_once(run, tmp_path) == 1
    verified = bench.launcher("checkpoints", str(bench.runs / "poisoned"), "--verify")
    assert verified.code == 0, verified.out
    assert f"{DOCUMENTS - 2 * BATCH}       {2 * BATCH}         every document once" in verified.out


@pytest.mark.slow
def test_weights_that_go_to_infinity_end_the_run_once_it_went_back_so_often(bench: StoreBench) -> None:
    run = trial(bench, "infinite", "training.learning_rate=1e30", "sentinel.max_rollbacks=1")
    with run.attempt() as attempt:
        ended = attempt.started.ended()
    line = the_one_line(ended, 1)
    assert line.startswith("steps 2 to 3 went bad: 2 steps in a row without a finite loss and gradient (the last loss ")
    assert line.endswith(
        f" (roll-backs before: 1); lower training.learning_rate, look at packs 0 to {6 * BATCH} of the data, or raise "
        "sentinel.max_rollbacks"
    )
    assert [event["step"] for event in events(run.store, "step-skipped")] == [2, 3, 2, 3]
    closes = [each for each in run.entries() if isinstance(each, Close)]
    assert [each.exit_code for each in closes] == [1, 1]
    assert run.commits() == []

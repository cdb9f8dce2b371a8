"""What a run tells trackers, read back with their own readers' formats, over two attempts."""

import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.e2e.command import Bench
from tests.track.wandb_file import told

RUN = "two-attempts"


def test_two_attempts_are_one_run_with_no_step_twice(bench: Bench) -> None:
    trackers = ("tracking.report_to=[wandb, tensorboard]", "tracking.wandb.mode=offline")
    words = ("run", "small.yaml", "training.max_steps=200", *trackers, "cluster.workers=1", "--run-id", RUN)
    with bench.started(*words) as started:
        started.until_said(r"^step ")
        started.process.terminate()
        assert started.ended().code == 75
    ended = bench.launcher(*words)
    assert ended.code == 0, ended.err
    files = sorted((bench.runs / RUN / "wandb").glob("offline-run-*/*.wandb"), key=lambda file: file.parent.name[-6:])
    first, last = (told(file) for file in files)
    assert first.get("id", RUN) == RUN  # what the client of an interrupted attempt had not yet written may be missing
    assert (last["id"], {file.name for file in files}) == (RUN, {f"run-{RUN}.wandb"})
    steps = [step for step, _ in last["history"]]
    assert sorted(set(steps)) == list(range(1, 201))
    assert len(steps) == len(set(steps))
    values = dict(last["history"])
    assert values[1].keys() >= {"train/loss", "train/learning_rate", "train/grad_norm", "train/tokens_per_second"}
    assert values[200].keys() >= {"test/base/accuracy", "test/tuned/accuracy", "test/tuned/macro_f1"}
    metrics = json.loads((bench.runs / RUN / "evaluation/metrics.json").read_text())
    assert values[200]["test/tuned/accuracy"] == metrics["tuned"]["accuracy"]
    board = EventAccumulator(str(bench.runs / RUN / "tensorboard"), size_guidance={"scalars": 0})
    board.Reload()
    assert [event.step for event in board.Scalars("train/loss")] == list(range(1, 201))


@pytest.mark.slow
def test_a_tracker_that_cannot_be_reached_is_said_once_and_stops_nothing(bench: Bench) -> None:
    environment = {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    words = ("run", "small.yaml", "tracking.report_to=[wandb]", "cluster.workers=1", "--run-id", "unreachable")
    ended = bench.launcher(*words, environment=environment)
    assert ended.code == 0, ended.err
    lines = [line for line in ended.out.splitlines() if "W&B" in line]
    assert len(lines) == 1, lines
    assert "0" * 40 not in ended.out + ended.err
    for file in (bench.runs / "unreachable").rglob("*"):
        assert not file.is_file() or b"0" * 40 not in file.read_bytes(), file

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.track.values import history, named_values


def test_numbers_of_a_step_are_named_after_training() -> None:
    fields = {"loss": 1.5, "learning_rate": 1e-4, "tokens": 512, "mfu": None}
    assert named_values("step", fields) == {"train/loss": 1.5, "train/learning_rate": 1e-4, "train/tokens": 512.0}


def test_results_are_named_model_by_model() -> None:
    fields = {"base": {"accuracy": 0.5, "positive": {"f1": 0.25}}, "tuned": {"accuracy": 0.9}, "classical": "left out"}
    assert named_values("result", fields) == {
        "test/base/accuracy": 0.5,
        "test/base/positive/f1": 0.25,
        "test/tuned/accuracy": 0.9,
    }


def test_words_of_numbers_that_are_not_finite_become_such_numbers() -> None:
    values = named_values("evaluation", {"loss": "nan", "perplexity": "inf", "best": True, "name": "moods"})
    assert set(values) == {"eval/loss", "eval/perplexity"}
    assert math.isnan(values["eval/loss"])
    assert values["eval/perplexity"] == math.inf


def test_other_kinds_are_not_plotted() -> None:
    assert named_values("resume", {"loss": 1.0}) == {}


def event(attempt: int, kind: str, step: int, **fields: Any) -> dict[str, Any]:
    return {"time": "2026-11-21T10:00:00", "attempt": attempt, "rank": 0, "kind": kind, "step": step, **fields}


def test_an_evaluation_and_the_training_of_one_step_are_one_step() -> None:
    events = [event(1, "step", 2, loss=1.0), event(1, "evaluation", 2, loss=2.0)]
    assert history(events, 2) == [(2, {"train/loss": 1.0, "eval/loss": 2.0})]


@pytest.mark.parametrize("noted", [4, 5, 9])
def test_what_an_attempt_noted_beyond_the_step_that_the_next_one_resumed_from_is_void(noted: int) -> None:
    events = [event(1, "step", noted, loss=1.0), event(2, "resume", 3), event(2, "step", 8, loss=2.0)]
    assert history(events, 20) == [(8, {"train/loss": 2.0})]


@given(lives=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=5))
def test_each_step_comes_once_and_in_order_from_the_attempt_that_stayed_valid(lives: list[tuple[int, int]]) -> None:
    """Each attempt runs for some steps and commits on the way; the next one resumes there."""
    events, expected, start = [], {}, 0
    for attempt, (length, committed) in enumerate(lives, 1):
        expected = {step: loss for step, loss in expected.items() if step <= start}
        events.append(event(attempt, "resume", start))
        for step in range(start + 1, start + length + 1):
            events.append(event(attempt, "step", step, loss=float(attempt)))
            expected[step] = float(attempt)
        start += min(committed, length)
    kept = [(step, {"train/loss": loss}) for step, loss in sorted(expected.items()) if step <= start]
    assert history(events, start) == kept
    assert [step for step, _ in kept] == list(range(1, start + 1))

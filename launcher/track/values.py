"""Events as the named numbers that W&B and TensorBoard plot."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

PREFIX = {
    "step": "train",
    "evaluation": "eval",
    "result": "test",
    "step-skipped": "sentinel",
    "loss-spike": "sentinel",
    "roll-back": "sentinel",
}
"""Kinds of events that are plotted, and what their names begin with."""
RESUME = "resume"
"""Kind of the event that tells from which step an attempt goes on; what was noted beyond it is void."""

NOT_FINITE = {"nan", "inf", "-inf"}
"""Strict JSON has no such numbers, so events tell them as words."""


def named_values(kind: str, fields: Mapping[str, Any]) -> dict[str, float]:
    """`train/loss`, `eval/loss`, `test/base/accuracy`: every number of an event; none of a kind that is not plotted."""
    return dict(_numbers(PREFIX[kind], fields)) if kind in PREFIX else {}


def history(events: Iterable[Mapping[str, Any]], last_step: int) -> list[tuple[int, dict[str, float]]]:
    """What a run's attempts noted up to a step, each step once and in order.

    Events come by attempt, as `read_events` gives them. Steps that a later attempt went back behind are left out.
    """
    steps: dict[int, dict[str, float]] = {}
    for _, attempt in itertools.groupby(events, key=lambda event: event["attempt"]):
        for event in attempt:
            if event["kind"] == RESUME:
                steps = {step: values for step, values in steps.items() if step <= event["step"]}
            elif event["kind"] in PREFIX:
                fields = {key: value for key, value in event.items() if key not in _ENVELOPE}
                steps.setdefault(event["step"], {}).update(named_values(event["kind"], fields))
    return [(step, steps[step]) for step in sorted(steps) if step <= last_step]


_ENVELOPE = {"time", "attempt", "rank", "kind", "step"}


def _numbers(name: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(f"{name}/{key}", item)
    elif isinstance(value, str):
        if value in NOT_FINITE:
            yield name, float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)

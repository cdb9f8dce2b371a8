"""A run in legs: each on another number of workers, and with another strategy where it says so."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from launcher.storage.store import Store
from tests.faults.checks import check_went_on
from tests.faults.trial import StoreBench, Trial

STRATEGIES = {
    "ddp": "strategy={kind: ddp}",
    **{f"zero{stage}": f"strategy={{kind: deepspeed, zero_stage: {stage}}}" for stage in (1, 2, 3)},
}
LEG_COMMITS = 4
"""Commits after which a leg is killed."""


@dataclass(frozen=True, slots=True)
class Leg:
    workers: int
    strategy: str


def run_legs(bench: StoreBench, run_id: str, words: Sequence[str], legs: Sequence[Leg]) -> Trial:
    """Kill each leg but the last after some commits of its own, and go on with the next; the run ends with the last."""
    store = Store.open(str(bench.runs / run_id))
    for number, leg in enumerate(legs, start=1):
        changed = ("text.yaml", *words, STRATEGIES[leg.strategy], "cluster.oversubscribe=true")
        trial = Trial(bench, changed, leg.workers, run_id, store)
        enough = len(store.list("journal")) + 1 + LEG_COMMITS  # its `open` comes first
        with trial.attempt("--allow-recipe-change", "strategy") as attempt:
            if number < len(legs):
                there = attempt.until_training()
                assert attempt.until(partial(_has, store, enough)), "ended before it was killed"
                attempt.kill_all(there)
            ended = attempt.started.ended()
        assert ended.code == (0 if number == len(legs) else -9), ended.err
        check_went_on(trial, number, ended.out)
    return trial


def _has(store: Store, entries: int) -> bool:
    return len(store.list("journal")) >= entries


def differences(one: Trial, other: Trial) -> float:
    """Between the losses of two runs step by step, the largest, in nats; the steps and their tokens are the same."""
    mine, wanted = one.steps(), other.steps()
    assert [(step, mine[step]["tokens"]) for step in mine] == [(step, wanted[step]["tokens"]) for step in wanted]
    return max(abs(float(mine[step]["loss"]) - float(wanted[step]["loss"])) for step in wanted)

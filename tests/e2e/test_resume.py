"""A run that is killed, or moved to another number of workers, goes on from its last commit as if nothing had been."""

from pathlib import Path

import pytest

from launcher.checkpoint.entries import Open
from launcher.storage.store import Store
from tests.faults.checks import check_every_document_once, check_same, check_went_on
from tests.faults.moments import Moment, reach, strike
from tests.faults.recipes import STEPS, write_recipes
from tests.faults.trial import StoreBench, Trial
from tests.faults.worlds import Leg, differences, run_legs

KILLS = [
    [Moment("backward", "worker", 9)],
    [Moment("write of a rank file", "uploader"), Moment("manifest written", "driver")],
    [Moment("entry written", "uploader")],
]
"""One list an attempt."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> StoreBench:
    folder = tmp_path_factory.mktemp("resume")
    write_recipes(folder, shared)
    return StoreBench(folder, shared)


@pytest.fixture(scope="module")
def undisturbed(bench: StoreBench) -> Trial:
    trial = Trial(bench, ("text.yaml",), 2, "undisturbed", Store.open(str(bench.runs / "undisturbed")))
    ended = trial.to_the_end()
    assert check_went_on(trial, 1, ended.out) == 0
    assert list(trial.steps()) == list(range(1, STEPS + 1))
    return trial


def test_a_run_whose_worker_driver_and_uploader_are_killed_ends_bit_for_bit_as_the_undisturbed_one(
    bench: StoreBench, undisturbed: Trial, tmp_path: Path
) -> None:
    words = ("text.yaml", "cluster.retries.crashes=0")  # what the driver's own next attempt does is tested elsewhere
    trial = Trial(bench, words, 2, "killed", Store.open(str(bench.runs / "killed")))
    reached = []
    for number, kills in enumerate(KILLS, start=1):
        with trial.attempt() as attempt:
            for moment in kills:
                there = reach(moment, trial, attempt, gate=None)
                assert there is not None, f"ended before {moment}"
                strike(moment, attempt, there)
            ended = attempt.started.ended()
        reached.append((ended.code, check_went_on(trial, number, ended.out)))
    assert [code for code, _ in reached] == [1, -9, 0], "a worker's end, the driver's, and none"
    assert reached[0][1] == 0 < reached[2][1]
    check_same(trial, undisturbed)
    assert check_every_document_once(trial, tmp_path) > 3
    opens = [each for each in trial.entries() if isinstance(each, Open)]
    assert [each.took_over is None for each in opens] == [True, True, False]


@pytest.mark.slow
def test_a_run_goes_on_with_other_workers_and_another_strategy(
    bench: StoreBench, undisturbed: Trial, tmp_path: Path
) -> None:
    trial = run_legs(bench, "changed", (), [Leg(2, "ddp"), Leg(1, "zero2")])
    assert differences(trial, undisturbed) < 1e-5
    assert check_every_document_once(trial, tmp_path) == check_every_document_once(undisturbed, tmp_path)

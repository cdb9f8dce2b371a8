"""Attempts whose clocks are an hour ahead and an hour behind: no promise rests on a clock."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.checkpoint.entries import Commit, Open
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests import faults
from tests.faults.checks import check_every_document_once, check_same, check_went_on
from tests.faults.moments import Moment, reach, strike
from tests.faults.recipes import write_recipes
from tests.faults.trial import StoreBench, Trial

SOURCE = Path(faults.__file__).with_name("clock.c")
HOURS = (1, -1, 1)
"""Of each attempt's clocks, beside this machine's; the first two are killed, the driver's tree and then a worker."""
KILLS = (Moment("entry written", "driver", 2), Moment("entry written", "worker", 2))


def shifted(bench: StoreBench, hours: int, library: Path) -> StoreBench:
    """The same bench, where every Python of a run sees another time of day."""
    shift = {"LD_PRELOAD": str(library), "CLOCK_SHIFT_S": str(3600 * hours)}
    return StoreBench(bench.folder, bench.shared, {**bench.more, **shift})


@pytest.mark.slow
def test_attempts_whose_clocks_are_hours_apart_end_as_if_nothing_had_been(
    tmp_path: Path, shared: Path, record_property: Callable[[str, object], None]
) -> None:
    library = tmp_path / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    write_recipes(tmp_path, shared)
    bench = StoreBench(tmp_path, shared)
    words = ("text.yaml", "cluster.retries.crashes=0")
    calm = Trial(bench, words, 2, "calm", Store.open(str(bench.runs / "calm")))
    calm.to_the_end()
    store = Store.open(str(bench.runs / "jumping"))
    for number, hours in enumerate(HOURS, start=1):
        trial = Trial(shifted(bench, hours, library), words, 2, "jumping", store)
        with trial.attempt() as attempt:
            for moment in KILLS[number - 1 : number]:
                there = reach(moment, trial, attempt, None)
                assert there is not None, attempt.started.err.read_text()
                strike(moment, attempt, there)
            ended = attempt.started.ended()
        assert (ended.code == 0) == (number == len(HOURS)), ended.err
        print(f"{hours:+d} h: exit {ended.code}, went on after step {check_went_on(trial, number, ended.out)}")
    check_same(trial, calm)
    check_every_document_once(trial, tmp_path / "proof")
    hours_told = {event["attempt"]: event["time"][:13] for event in read_events(store) if event["kind"] == "step"}
    assert len(set(hours_told.values())) > 1, "clocks were shifted"
    numbers = [each.attempt for each in trial.entries() if isinstance(each, (Open, Commit))]
    assert numbers == sorted(numbers)
    record_property("faults", [("clock an hour off", "-")] * len(HOURS))

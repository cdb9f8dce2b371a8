"""Faults by seed, and what is said of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.chaos.faults import FAULTS
from launcher.chaos.rehearsal import Rehearsal, Struck, next_step_s
from launcher.chaos.rehearse import told
from launcher.chaos.same import Alike
from launcher.chaos.schedule import Planned, schedule
from launcher.cli import main
from launcher.cli.chaos_verb import NAMES
from launcher.storage.store import Store
from launcher.track.events import EventLog, read_events


@given(st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, unique=True), st.integers(1, 40), st.integers())
def test_a_seed_says_all_and_every_fault_comes_as_often_as_the_others(faults: list[str], count: int, seed: int) -> None:
    plan = schedule(faults, count, seed)
    assert plan == schedule(faults, count, seed)
    kinds = [each.fault for each in plan]
    times = [kinds.count(fault) for fault in faults]
    assert (sum(times), max(times) - min(times) <= 1) == (count, True)
    assert 0 < sum(each.after for each in plan) < 1


def test_the_help_names_every_fault() -> None:
    assert tuple(FAULTS) == NAMES


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--faults", "kill-worker,meteor"], "--faults: unknown fault 'meteor'; there are kill-worker, kill-driver, "),
        (["--faults", ","], "--faults: no faults; there are "),
        (["--count", "0"], "--count: 0 faults are none; give 1 or more"),
        (["training.save_strategy=no"], "training.save_strategy: a run without commits cannot go on"),
    ],
)
def test_what_cannot_be_rehearsed_is_told_before_anything_starts(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["chaos", "demo/headlines", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"launcher: {line}")


def struck(fault: str, attempt: int, time: datetime) -> Struck:
    return Struck(Planned(fault, 0.1, 0), "did it", attempt, time, 12)


def test_the_wait_for_the_next_step_is_read_from_the_events(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    for attempt in (1, 2):
        log = EventLog(store, attempt, 0)
        log.emit("resume", step=0)
        log.emit("step", step=attempt, loss=1.0)
        log.flush()
    first, second = (datetime.fromisoformat(each["time"]) for each in read_events(store) if each["kind"] == "step")
    before = first - timedelta(seconds=3)
    assert next_step_s(store, struck("storage", 1, before)) == pytest.approx(3.0)
    assert next_step_s(store, struck("kill-worker", 1, before)) == pytest.approx((second - before).total_seconds())
    assert next_step_s(store, struck("kill-worker", 2, before)) is None
    assert next_step_s(store, struck("storage", 1, before), before + timedelta(seconds=1)) is None


def test_the_result_names_every_fault_and_what_differs() -> None:
    happened = struck("kill-driver", 2, datetime.now(UTC))
    found = Rehearsal(
        (happened,), (Planned("stall", 0.1, 0),), 3, 19.96, (21.04,), Alike(weights=False, documents=True, loss=0)
    )
    assert told(found)[2:] == [
        "kill-driver          2              12           21.0 s  did it",
        "stall          the run had ended before",
        "",
        "starts    3; a cold one took 20.0 s to its first step on record",
        "weights   different",
        "documents the same",
        "losses    differ by 0.0e+00 at the most",
    ]

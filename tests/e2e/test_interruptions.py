"""Runs that are told to end, and runs whose workers die: both go on as if nothing had been."""

import json
import os
import random
import re
import signal
import subprocess
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import pytest

from launcher.chaos.processes import kill
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.storage.layout import CHECKPOINTS, MODEL
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.e2e.command import the_one_line, until
from tests.faults.checks import check_every_document_once, check_same
from tests.faults.recipes import write_recipes
from tests.faults.trial import Attempt, StoreBench, Trial

LONG = "training.max_steps=100000"
PROMPT_S = 30.0
NO_MODULE = """
import builtins

before = builtins.__import__

def refuse(name, *more, **others):
    if name == "launcher.train.assemble":
        raise ModuleNotFoundError("No module named 'something'")
    return before(name, *more, **others)

builtins.__import__ = refuse
"""
"""As on a machine that lacks a package: what ranks import and the driver does not."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> StoreBench:
    folder = tmp_path_factory.mktemp("interruptions")
    write_recipes(folder, shared)
    return StoreBench(folder, shared)


def trial(bench: StoreBench, run_id: str, *words: str) -> Trial:
    return Trial(bench, ("text.yaml", *words), 2, run_id, Store.open(str(bench.runs / run_id)))


@pytest.fixture(scope="module")
def undisturbed(bench: StoreBench) -> Trial:
    made = trial(bench, "undisturbed")
    made.to_the_end()
    return made


def closes(of: Trial) -> list[Close]:
    return [each for each in of.entries() if isinstance(each, Close)]


def checkpoints(of: Trial) -> list[Commit]:
    return [each for each in of.commits() if each.checkpoint.startswith(CHECKPOINTS)]


def first_step(of: Trial, attempt: int) -> float:
    """When its record was noted, in seconds since 1970; that is two steps after it ran."""
    found = (each for each in read_events(of.store) if each["kind"] == "step" and each["attempt"] == attempt)
    return datetime.fromisoformat(next(found)["time"]).timestamp()


def until_committed(attempt: Attempt, of: Trial, commits: int) -> None:
    assert attempt.until(lambda: len(checkpoints(of)) >= commits), attempt.started.err.read_text()


def newest_is_the_last_step(of: Trial) -> int:
    """What was committed last is what the attempt ran last; returns the step."""
    close, commit = closes(of)[-1], checkpoints(of)[-1]
    assert close.step == commit.step, (close, commit)
    assert f"committed step {commit.step}" in close.cause
    return commit.step


def test_sigterm_commits_the_current_step_and_the_next_start_ends_bit_for_bit_as_the_undisturbed_run(
    bench: StoreBench, undisturbed: Trial, tmp_path: Path
) -> None:
    made = trial(bench, "terminated")
    with made.attempt() as attempt:
        until_committed(attempt, made, 2)
        attempt.started.process.terminate()
        attempt.started.process.wait(PROMPT_S)
        ended = attempt.started.ended()
    assert (ended.code, ended.err) == (75, "")
    step = newest_is_the_last_step(made)
    assert f"interrupted: committed step {step}" in ended.out
    assert closes(made)[-1].ended == "preemption"
    again = made.to_the_end()
    assert f"going on  after step {step}, " in again.out
    check_same(made, undisturbed)
    assert check_every_document_once(made, tmp_path) > 3


@pytest.mark.slow
def test_launcher_stop_ends_with_0_and_the_run_can_be_gone_on_with(bench: StoreBench, undisturbed: Trial) -> None:
    made = trial(bench, "stopped")
    with made.attempt() as attempt:
        until_committed(attempt, made, 1)
        stopping = bench.launcher("stop", "stopped")
        assert stopping.code == 0, stopping.err
        ended = attempt.started.ended()
    assert (ended.code, ended.err) == (0, "")
    step = newest_is_the_last_step(made)
    assert f"attempt 1 has closed: stop: committed step {step}" in stopping.out
    assert "nothing to stop" in bench.launcher("stop", "stopped").out
    made.to_the_end()
    check_same(made, undisturbed)


@pytest.mark.slow
def test_the_warning_signal_commits_and_exits_75(bench: StoreBench) -> None:
    made = trial(bench, "warned", LONG)
    with made.attempt() as attempt:
        until_committed(attempt, made, 1)
        attempt.started.process.send_signal(signal.SIGUSR2)
        ended = attempt.started.ended()
    assert (ended.code, ended.err) == (75, "")
    newest_is_the_last_step(made)
    assert closes(made)[-1].ended == "time-limit"


@pytest.mark.slow
def test_ctrl_c_twice_ends_at_once_with_130(bench: StoreBench) -> None:
    made = trial(bench, "twice", LONG)
    with made.attempt() as attempt:
        attempt.started.until_said(r"^step ")
        folder = attempt.started.cluster_folder()
        attempt.started.press_ctrl_c()
        attempt.started.until_said(r"^stop +Ctrl-C")
        attempt.started.press_ctrl_c()
        attempt.started.process.wait(PROMPT_S)
        ended = attempt.started.ended()
        until(lambda: not attempt.started.processes(), "the end of every process", PROMPT_S)
    assert not folder.exists()
    assert ended.code in (0, 130), "it may have committed in between"
    if ended.code == 130:
        assert ended.out.splitlines()[-1] == f"cancelled; what was written is in {bench.runs}/twice"
        assert (closes(made)[-1].cause, closes(made)[-1].exit_code) == ("cancelled", 130)


@pytest.mark.slow
def test_a_notice_before_training_begins_ends_the_attempt_at_once(bench: StoreBench) -> None:
    made = trial(bench, "early", LONG)
    with made.attempt() as attempt:
        attempt.started.until_said(r"^starting 2 workers")
        attempt.started.process.terminate()
        attempt.started.process.wait(PROMPT_S)
        ended = attempt.started.ended()
    assert (ended.code, ended.err) == (75, "")
    assert "interrupted: no step was committed" in ended.out
    assert made.commits() == []


def test_a_killed_worker_costs_an_attempt_and_the_same_driver_ends_bit_for_bit_as_the_undisturbed_run(
    bench: StoreBench, undisturbed: Trial, tmp_path: Path
) -> None:
    made, began = trial(bench, "killed"), time.time()
    with made.attempt() as attempt:
        there = attempt.until_training()
        until_committed(attempt, made, 2)
        killed = time.time()
        kill(there.workers[1])
        ended = attempt.started.ended()
    assert (ended.code, ended.err) == (0, "")
    cold, warm = first_step(made, 1) - began, first_step(made, 2) - killed
    print(f"start to first step {cold:.1f} s, kill to next step {warm:.1f} s: {warm / cold:.2f}")
    check_same(made, undisturbed)
    check_every_document_once(made, tmp_path)
    assert [each.ended for each in closes(made)] == ["lost", "done"]
    assert [each.then for each in closes(made)] == ["again", "end"]
    assert len([each for each in made.entries() if isinstance(each, Open)]) == 2
    cause = json.loads(made.store.read("failures/1/cause.json"))
    assert (cause["kind"], cause["verdict"]) == ("lost", "elsewhere")
    assert any(name.startswith("failures/1/rank-") for name in made.store.list("failures"))


@pytest.mark.slow
def test_bad_data_gives_up_with_one_line_that_names_cause_and_mend(bench: StoreBench, undisturbed: Trial) -> None:
    storage = bench.folder / "damaged"
    shards = sorted((bench.runs / "datasets").glob("*/shards/*.arrow"))
    assert shards, "the undisturbed run has prepared its rows"
    for path in (bench.runs / "datasets").rglob("*"):
        copy = storage / "datasets" / path.relative_to(bench.runs / "datasets")
        if path.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            content = bytearray(path.read_bytes())
            if path in shards:
                content[len(content) // 2] ^= 1
            copy.write_bytes(content)
    made = Trial(bench, ("text.yaml", f"cluster.storage={storage}"), 2, "bad", Store.open(str(storage / "bad")))
    with made.attempt() as attempt:
        ended = attempt.started.ended()
    line = the_one_line(ended, code=1)
    assert re.search(r"2 attempts in a row failed without a new commit|failed alike at step", line)
    assert "is corrupt" in line
    assert "quarantine" in line
    assert [each.ended for each in closes(made)] == ["bad-data", "bad-data"]


@pytest.mark.slow
def test_a_missing_module_ends_the_run_at_once_with_a_mend(bench: StoreBench, tmp_path: Path) -> None:
    made = trial(bench, "no-module")
    (tmp_path / "sitecustomize.py").write_text(NO_MODULE)
    made = Trial(
        StoreBench(bench.folder, bench.shared, {"PYTHONPATH": str(tmp_path)}),
        made.words,
        2,
        "no-module",
        made.store,
    )
    with made.attempt() as attempt:
        ended = attempt.started.ended()
    assert "No module named 'something'" in the_one_line(ended, code=1)
    assert "install what is missing" in ended.err
    assert [each.ended for each in closes(made)] == ["import"]


MOMENTS = int(os.environ.get("MOMENTS", "20"))


@pytest.mark.slow
def test_sigterm_at_seeded_moments_always_leaves_a_clean_commit_and_the_run_ends_bit_for_bit(
    bench: StoreBench, tmp_path: Path
) -> None:
    """20 starts, each with SIGTERM at a moment drawn by a seed and SIGKILL 30 s later: about 10 minutes."""
    words = ("training.max_steps=600", "training.save_steps=30")
    calm, made, codes = trial(bench, "calm", *words), trial(bench, "moments", *words), list[int]()
    calm.to_the_end()
    drawn = random.Random("moments")
    for number in range(MOMENTS):
        # Of three, two fall into training, and one anywhere from the command's start on
        trains = number % 3 > 0
        seconds = drawn.uniform(0.0, 1.5 if trains else 16.0)
        with made.attempt() as attempt:
            if trains:
                attempt.started.until_said(r"^step ")
            with suppress(subprocess.TimeoutExpired):
                attempt.started.process.wait(seconds)
            began = time.monotonic()
            attempt.started.process.terminate()
            code = attempt.started.process.wait(30.0)
            took = time.monotonic() - began
            out, err = attempt.started.out.read_text(), attempt.started.err.read_text()
        codes.append(code)
        found = closes(made)
        print(f"{number:2}  {seconds:5.1f} s  exit {code:3}  in {took:4.1f} s  {found[-1].cause if found else '-'}")
        assert code in (0, 75), (out[-2000:], err)
        assert "launcher:" not in err, err  # Ray's handler in C++ writes where a signal met it
        if code == 0:
            break
    if codes[-1] != 0:
        made.to_the_end()
    told = [each for each in closes(made) if "committed step" in each.cause]
    print(f"{len(codes)} starts, {len(told)} of them committed the step at which they were told")
    assert told, "no moment fell into training"
    assert all(f"committed step {each.step} " in each.cause for each in told)
    check_same(made, calm)
    check_every_document_once(made, tmp_path)
    assert [each.checkpoint for each in made.commits()].count(MODEL) == 1

"""How runs end that do not end well."""

import json
import os
import re
import shutil
import signal
import socket
from typing import Any

import pytest

from tests.e2e.command import Bench, Started, the_one_line, until

LONG = "training.max_steps=100000"
PROMPT_S = 30.0
"""Seconds in which a run has to end when it is told to, or when a rank is gone."""


def journal(bench: Bench, run: str) -> list[dict[str, Any]]:
    paths = sorted((bench.runs / run / "journal").iterdir())
    return [json.loads(path.read_bytes().splitlines()[0]) for path in paths]  # the second line is a checksum


def assert_nothing_is_left(bench: Bench, started: Started) -> None:
    until(lambda: not started.processes(), "the end of every process", PROMPT_S)
    assert list(bench.temporary.glob("ll-*")) == []


def test_a_killed_rank_is_named_with_its_log_where_the_budget_of_crashes_is_spent(bench: Bench) -> None:
    words = ("run", "small.yaml", LONG, "cluster.workers=2", "cluster.retries.crashes=0", "--run-id", "killed-rank")
    with bench.started(*words) as started:
        started.until_said(r"^step ")
        folder = started.cluster_folder()
        ranks = [process for process in started.processes() if process.cmdline()[0] == "ray::RayTrainWorker"]
        assert len(ranks) == 2
        ranks[0].kill()
        ended = started.ended()
        line = the_one_line(ended, code=1)
        assert line.startswith("1 attempt failed, and cluster.retries.crashes is 0; the last: rank ")
        assert f"on {socket.gethostname()} died without a word" in line or f"on {socket.gethostname()} failed" in line
        assert f"its log: {bench.runs}/killed-rank/logs/1-" in line
        assert_nothing_is_left(bench, started)
        assert not folder.exists()
    opened, *_, closed = journal(bench, "killed-rank")
    assert (opened["kind"], closed["kind"], closed["exit_code"]) == ("open", "close", 1)
    assert closed["cause"].endswith(line.partition("the last: ")[2])


@pytest.mark.parametrize(("how", "code"), [pytest.param("Ctrl-C", 0, marks=pytest.mark.slow), ("SIGTERM", 75)])
def test_a_run_that_is_told_to_end_says_so_closes_its_journal_and_leaves_nothing(
    bench: Bench, how: str, code: int
) -> None:
    with bench.started("run", "small.yaml", LONG, "cluster.workers=1", "--run-id", how) as started:
        started.until_said(r"^step ")
        folder = started.cluster_folder()
        if how == "Ctrl-C":
            started.press_ctrl_c()
        else:
            started.process.terminate()
        started.process.wait(PROMPT_S)
        ended = started.ended()
        assert (ended.code, ended.err) == (code, "")
        assert ended.out.splitlines()[-1] == f"to go on, give the same command again with --run-id {how}"
        assert_nothing_is_left(bench, started)
        assert not folder.exists()
    opened, *_, closed = journal(bench, how)
    assert opened["kind"] == "open"
    assert (closed["kind"], closed["exit_code"]) == ("close", code)
    assert re.search(r": committed step \d+ \(", closed["cause"])


@pytest.mark.slow
def test_a_run_whose_driver_was_killed_is_taken_over_and_one_that_lives_is_not(bench: Bench) -> None:
    words = ("run", "small.yaml", "cluster.workers=1", "--run-id", "never-closed")
    with bench.started(*words, LONG) as started:
        started.until_said(r"^step ")
        folder = started.cluster_folder()
        line = the_one_line(bench.launcher(*words, LONG), code=4)
        assert "is owned by attempt 1" in line
        assert f"local job {started.process.pid}" in line
        assert "--run-id" in line
        os.kill(started.process.pid, signal.SIGKILL)
        assert started.ended().code == -signal.SIGKILL
    shutil.rmtree(folder)
    ended = bench.launcher(*words, "--allow-recipe-change", "training.max_steps")
    assert ended.code == 0, ended.err
    assert "going on  after step " in ended.out
    first, second = [entry for entry in journal(bench, "never-closed") if entry["kind"] == "open"]
    assert (first["took_over"], second["attempt"]) == (None, 2)
    assert second["took_over"] == f"its process {started.process.pid} has ended"

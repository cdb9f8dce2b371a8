"""A rank that stands still: it is named, the attempt is ended, and the next one ends as if nothing had been."""

import os
import re
import signal
from pathlib import Path

import psutil
import pytest

from launcher.checkpoint.entries import Close
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.faults.checks import check_every_document_once, check_same, check_went_on
from tests.faults.recipes import write_recipes
from tests.faults.trial import StoreBench, Trial

SETTINGS = ("sentinel.stuck_after_s=3", "sentinel.hung_after_s=4")
STUCK = re.compile(r"^stuck     step (\d+) has taken \d+ s .*: rank (\d) on \S+ not heard of$", re.MULTILINE)


@pytest.mark.slow
def test_a_rank_that_stands_still_is_named_and_the_run_goes_on_without_a_word_from_anyone(
    tmp_path: Path, shared: Path
) -> None:
    write_recipes(tmp_path, shared)
    bench = StoreBench(tmp_path, shared)

    def trial(run_id: str) -> Trial:
        return Trial(bench, ("text.yaml", *SETTINGS), 2, run_id, Store.open(str(bench.runs / run_id)))

    calm, hung = trial("undisturbed"), trial("hung")
    calm.to_the_end()
    with hung.attempt() as attempt:
        there = attempt.until_training()
        assert attempt.until(lambda: len(hung.commits()) > 2)
        os.kill(there.workers[1], signal.SIGSTOP)
        ended = attempt.started.ended()
    assert ended.code == 0, ended.err
    assert not psutil.pid_exists(there.workers[1])
    told = STUCK.search(ended.out)
    assert told is not None, ended.out
    check_went_on(hung, 2, ended.out)
    check_same(hung, calm)
    check_every_document_once(hung, tmp_path)
    first, last = (each for each in hung.entries() if isinstance(each, Close))
    assert first.cause.startswith(f"Hung: step {told[1]} has taken ")
    assert last.cause == "done"
    (event,) = [each for each in read_events(hung.store) if each["kind"] == "stuck"]
    assert (event["step"], event["silent"], event["busy"]) == (int(told[1]), [int(told[2])], [])

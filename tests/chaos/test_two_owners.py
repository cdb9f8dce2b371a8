"""Two drivers that want one run: one has it, and the other exits with 4 and says who does."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from launcher.chaos.processes import signal_all, tree
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.layout import MODEL
from launcher.storage.store import Store
from tests.e2e.command import LONGEST_S, told
from tests.faults.checks import check_every_document_once, check_same, check_went_on
from tests.faults.recipes import write_recipes
from tests.faults.trial import StoreBench, Trial

RACES = 20
DRIVER = """
import sys
from launcher.checkpoint.heartbeat import Heartbeat
from launcher.errors import LauncherError
from launcher.recipe.load import load_recipe
from launcher.train.run_directory import open_run, run_store

recipe, storage, run_id = sys.argv[1:]
recipe = load_recipe(recipe)
print("ready", flush=True)
sys.stdin.readline()
store = run_store(storage, run_id)
try:
    attempt = open_run(store, recipe)
except LauncherError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
with Heartbeat(store, attempt.number, print, period=0.1):
    print("open", flush=True)
    sys.stdin.readline()
attempt.commit(1, "checkpoints/00000001", "digest")
attempt.close("done", 0)
"""
"""Opens a run and beats as `launcher run` does, and commits when it is told to."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> StoreBench:
    folder = tmp_path_factory.mktemp("owners")
    write_recipes(folder, shared)
    return StoreBench(folder, shared)


def driver(bench: StoreBench, run_id: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, "text.yaml", str(bench.runs), run_id]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=bench.folder, env=bench.environment(), text=True, stdin=pipe, stdout=pipe, stderr=pipe
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.slow
def test_of_two_drivers_that_start_at_once_one_proceeds_and_the_other_exits_4(
    bench: StoreBench, record_property: Callable[[str, object], None]
) -> None:
    for race in range(RACES):
        run_id = f"race-{race}"
        both = [driver(bench, run_id) for _ in range(2)]
        assert [said(each) for each in both] == ["ready", "ready"]
        for each in both:
            go(each)
        (winner,) = [each for each in both if said(each) == "open"]
        (loser,) = [each for each in both if each is not winner]
        _, why = loser.communicate(timeout=LONGEST_S)
        assert loser.returncode == 4
        assert f"is owned by attempt 1 (local job {winner.pid} " in why
        winner.communicate("\n", timeout=LONGEST_S)
        assert winner.returncode == 0
        entries = Journal(Store.open(str(bench.runs / run_id))).entries()
        assert [type(each) for each in entries] == [Open, Commit, Close]
        assert isinstance(entries[0], Open)
        assert entries[0].job_id.startswith(f"{winner.pid} ")
    record_property("faults", [("two owners at once", "-")] * RACES)


@pytest.mark.slow
def test_a_zombie_that_wakes_after_a_takeover_exits_4_and_the_run_ends_right(
    bench: StoreBench, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    def trial(run_id: str) -> Trial:
        return Trial(bench, ("text.yaml",), 2, run_id, Store.open(str(bench.runs / run_id)))

    calm, taken = trial("undisturbed"), trial("taken")
    calm.to_the_end()
    with taken.attempt() as zombie:
        zombie.until_training()
        assert zombie.until(lambda: len(taken.store.list("journal")) > 3)
        asleep = tree(zombie.driver)
        signal_all(asleep, signal.SIGSTOP)
        out = zombie.started.out.rename(bench.folder / "zombie-out.txt")
        err = zombie.started.err.rename(bench.folder / "zombie-err.txt")
        with taken.attempt("--takeover") as second:
            second.until_training()
            assert second.until(lambda: any(isinstance(each, Commit) and each.attempt == 2 for each in taken.entries()))
            signal_all(asleep, signal.SIGCONT)
            code = zombie.started.process.wait(LONGEST_S)
            ended = second.started.ended()
        _, alive = psutil.wait_procs(asleep[1:], timeout=LONGEST_S)
        assert alive == []
    assert code == 4, (out.read_text(), err.read_text())
    (line,) = told(err.read_text())
    assert f"is owned by attempt 2 (local job {second.driver} " in line
    assert ended.code == 0, ended.err
    check_went_on(taken, 2, ended.out)
    check_same(taken, calm)
    check_every_document_once(taken, tmp_path)
    entries = taken.entries()
    opened = next(place for place, each in enumerate(entries) if isinstance(each, Open) and each.attempt == 2)
    assert entries[opened].took_over == "--takeover"  # type: ignore[union-attr]
    assert {each.attempt for each in entries[opened:]} == {2}, "nothing of the zombie's comes after the takeover"
    assert [each.checkpoint for each in taken.commits()].count(MODEL) == 1
    record_property("faults", [("owner that slept", "-")])

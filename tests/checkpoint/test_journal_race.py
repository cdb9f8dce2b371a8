import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from launcher.checkpoint.entries import Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.errors import RunOwned
from launcher.storage.store import Store

PROCESSES = 4
ENTRIES = 25


def _append(root: str, barrier: Barrier, process: int) -> None:
    journal = Journal(Store.open(root))
    barrier.wait()
    for step in range(ENTRIES):
        journal.append(Commit(attempt=1, step=step, checkpoint=f"{process}", manifest_digest="d"))


def _open(root: str, barrier: Barrier, process: int) -> None:
    journal = Journal(Store.open(root))
    barrier.wait()
    try:
        journal.open_attempt("local", f"{process}", ["here"])
    except RunOwned as error:
        raise SystemExit(error.exit_code) from error


def _run_at_once(target: Callable[[str, Barrier, int], None], root: Path) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    processes = [context.Process(target=target, args=(str(root), barrier, number)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


def test_processes_that_append_at_once_lose_nothing_and_leave_no_gap(tmp_path: Path) -> None:
    assert _run_at_once(_append, tmp_path) == [0] * PROCESSES
    entries = Journal(Store.open(str(tmp_path))).entries()
    steps: dict[str, list[int]] = {str(process): [] for process in range(PROCESSES)}
    for entry in entries:
        assert isinstance(entry, Commit)
        steps[entry.checkpoint].append(entry.step)
    assert len(entries) == PROCESSES * ENTRIES
    assert all(each == list(range(ENTRIES)) for each in steps.values())


def test_of_processes_that_open_at_once_one_owns_the_run(tmp_path: Path) -> None:
    assert sorted(map(str, _run_at_once(_open, tmp_path))) == ["0", "4", "4", "4"]
    (entry,) = Journal(Store.open(str(tmp_path))).entries()
    assert isinstance(entry, Open)

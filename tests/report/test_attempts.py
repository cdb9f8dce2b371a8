"""Attempts and goodput, from run directories whose times are known."""

from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.checkpoint.entries import Open, entry_to_json
from launcher.recipe.recipe import Recipe
from launcher.report.attempts import goodput
from launcher.report.record import read_run
from launcher.report.timeline import ending
from launcher.storage.store import Store
from tests.report.conftest import INTERRUPTED, Told, write_run


def test_steps_are_kept_up_to_where_a_later_attempt_went_on(interrupted: Store) -> None:
    first, second, third = read_run(interrupted).attempts
    assert [each.kept_steps for each in (first, second, third)] == [20, 20, 20]
    assert [each.redone_steps for each in (first, second, third)] == [10, 0, 0]
    assert [each.pace for each in (first, second, third)] == pytest.approx([1, 1, 1])
    assert [ending(each) for each in (first, second, third)] == [
        "killed: it never closed",
        "cancelled (exit 130)",
        "done",
    ]
    assert second.took_over == "--takeover"


def test_goodput_is_the_time_in_kept_steps_out_of_the_wall_time(interrupted: Store) -> None:
    spent = goodput(read_run(interrupted).attempts)
    # 140 s; the killed attempt was last heard of at its step 30, 40 s in; 50 - 40 and 100 - 85 lie between
    assert spent.wall == pytest.approx(140)
    assert spent.kept == pytest.approx(60)
    assert spent.redone == pytest.approx(10)
    assert spent.between == pytest.approx(25)
    assert spent.other == pytest.approx(45)
    assert spent.share == pytest.approx(60 / 140)


def test_curves_have_each_step_once_and_what_was_done_again_apart(interrupted: Store) -> None:
    run = read_run(interrupted)
    assert [step for step, _ in run.curve("loss")] == list(range(1, 61))
    assert [event["step"] for event in run.redone] == list(range(21, 31))
    assert {event["attempt"] for event in run.redone} == {1}


def test_numbers_that_are_not_finite_and_those_not_known_are_left_out(interrupted: Store) -> None:
    run = read_run(interrupted)
    assert [step for step, _ in run.curve("grad_norm")][:3] == [1, 3, 4]
    assert run.curve("mfu") == []


def test_commits_stand_with_what_they_cost(interrupted: Store) -> None:
    third = read_run(interrupted).attempts[-1]
    assert [(mark.kind, mark.step) for mark in third.marks] == [("commit", 50), ("commit", 60), ("model", 60)]
    assert third.marks[0].told["stall_s"] == 0.01


def test_pauses_do_not_count_as_steps(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    store = write_run(tmp_path / "run", recipe_of(), [Told(opened=0, trains=10, after=0, last=100, closed=1000)])
    spent = goodput(read_run(store).attempts)
    assert spent.kept == pytest.approx(100)
    assert spent.share == pytest.approx(0.1)


@pytest.mark.parametrize("last", [0, 1])
def test_an_attempt_of_no_step_or_one_has_no_pace(last: int, tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    store = write_run(tmp_path / "run", recipe_of(), [Told(opened=0, trains=1, after=0, last=last, closed=None)])
    (only,) = read_run(store).attempts
    assert only.pace is None
    assert goodput([only]).share == 0
    assert ending(only) == "not closed: still at work, or killed"


def test_an_attempt_that_ended_before_it_trained_keeps_nothing_and_takes_nothing_back(
    tmp_path: Path, recipe_of: Callable[..., Recipe]
) -> None:
    store = write_run(tmp_path / "run", recipe_of(), INTERRUPTED[:2])
    before = read_run(store).attempts
    number = len(store.list("journal"))
    opened = Open(attempt=3, backend="local", job_id="8", hosts=("node-2",))
    store.create(f"journal/{number + 1:08d}.json", entry_to_json(opened))
    *same, third = read_run(store).attempts
    assert [each.kept_steps for each in same] == [each.kept_steps for each in before]
    assert (third.began_after, third.kept_steps, third.redone_steps) == (None, 0, 0)

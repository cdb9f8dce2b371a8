"""What a roll-back leaves in the journal, and what is gone on from then."""

from pathlib import Path

import pytest

from launcher.checkpoint.entries import Commit, Retire, RolledBack, live_commits
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.retention import Keep, checkpoint_commits, retirable
from launcher.data.stream.cursor import Stretch
from launcher.storage.store import Store
from launcher.train.rollback import Diverged, RollBack, left_out, roll_back


def begun(folder: Path) -> Attempt:
    return Journal(Store.open(str(folder))).open_attempt("local", "1", ["host"])


def commit(attempt: Attempt, *steps: int) -> None:
    for step in steps:
        attempt.commit(step, f"checkpoints/{step}-{attempt.number}-x", "digest")


def steps(attempt: Attempt) -> list[tuple[int, int]]:
    return [(each.attempt, each.step) for each in live_commits(attempt.journal.entries())]


def bad(first: int, step: int, keep: int) -> RollBack:
    return RollBack(first, step, keep, Stretch(10 * keep, 10 * step), "a loss far above the median")


def test_commits_since_the_bad_steps_are_void_and_their_bytes_may_go(tmp_path: Path) -> None:
    attempt = begun(tmp_path)
    commit(attempt, 3, 6, 9, 12)
    line = roll_back(attempt, bad(8, 10, 7), most=3)
    assert line == (
        "rolled back  steps 8 to 10 went bad: a loss far above the median; goes on after step 7 or before, "
        "30 packs left out"
    )
    assert steps(attempt) == [(1, 3), (1, 6)]
    retired = [each.checkpoint for each in attempt.journal.entries() if isinstance(each, Retire)]
    assert retired == ["checkpoints/9-1-x", "checkpoints/12-1-x"]
    assert left_out(attempt.journal.entries()) == (Stretch(70, 100),)


def test_what_the_next_attempt_commits_stands_and_what_the_old_one_still_commits_does_not(tmp_path: Path) -> None:
    attempt = begun(tmp_path)
    commit(attempt, 3, 9)
    roll_back(attempt, bad(8, 10, 6), most=3)
    commit(attempt, 12)  # an uploader that had not ended yet
    attempt.close("rolled back", 1)
    again = Journal(Store.open(str(tmp_path))).open_attempt("local", "2", ["host"])
    commit(again, 9, 12)
    assert steps(again) == [(1, 3), (2, 9), (2, 12)]
    roll_back(again, bad(11, 12, 9), most=3)
    assert steps(again) == [(1, 3), (2, 9)]
    assert left_out(again.journal.entries()) == (Stretch(60, 100), Stretch(90, 120))


def test_a_run_that_goes_back_too_often_ends_and_is_void_all_the_same(tmp_path: Path) -> None:
    attempt = begun(tmp_path)
    commit(attempt, 2, 4)
    roll_back(attempt, bad(4, 5, 3), most=1)
    commit(attempt, 3)
    with pytest.raises(Diverged) as caught:
        roll_back(attempt, bad(3, 5, 2), most=1)
    assert str(caught.value) == (
        "steps 3 to 5 went bad: a loss far above the median (roll-backs before: 1); lower "
        "training.learning_rate, look at packs 20 to 50 of the data, or raise sentinel.max_rollbacks"
    )
    assert steps(attempt) == [(1, 2)]
    assert sum(isinstance(each, RolledBack) for each in attempt.journal.entries()) == 2


def test_retention_keeps_a_commit_that_is_old_enough_to_go_back_to(tmp_path: Path) -> None:
    attempt = begun(tmp_path)
    commit(attempt, *range(1, 13))
    commits: list[Commit] = checkpoint_commits(attempt)
    gone = retirable(commits, Keep(newest=2, behind_steps=8), commits[-1].checkpoint)
    assert sorted({each.step for each in commits} - {each.step for each in gone}) == [4, 11, 12]

"""Of all that ranks say when an attempt fails, the user is told what came first."""

from launcher.errors import InvalidInput, LauncherError, RunOwned
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.desk import RankFailure
from launcher.train.failure import first_cause
from tests.train.ranks import rank_of, recipe


def cause(failures: list[RankFailure], lost: dict[int, Exception], tmp_path: object) -> LauncherError:
    job = rank_of(0, 2, recipe(Training(), Ddp(kind="ddp")), 4, tmp_path).job
    return first_cause(failures, lost, job)


def failure(rank: int, error: str, known: LauncherError | None = None) -> RankFailure:
    return RankFailure(rank, f"host{rank}", error, known, "Traceback ...")


ECHO = "RuntimeError: [gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1234"


def test_a_rank_that_fails_by_itself_goes_before_ranks_that_lost_it(tmp_path):
    error = cause([failure(0, ECHO), failure(1, "ValueError: bad row")], {}, tmp_path)
    log = f"its log: {tmp_path}/logs/1-1.log"
    assert str(error) == f"rank 1 on host1 failed: ValueError: bad row; {log}"
    assert error.exit_code == 1


def test_a_rank_that_died_without_a_word_goes_before_ranks_that_lost_it(tmp_path):
    error = cause([failure(0, ECHO)], {0: RuntimeError("gloo"), 1: RuntimeError("The actor\n died.")}, tmp_path)
    assert str(error).startswith("rank 1 died without a word (killed, or out of memory): The actor died.; its log: ")


def test_where_all_only_lost_each_other_the_first_is_told(tmp_path):
    assert "rank 1 on host1" in str(cause([failure(1, ECHO), failure(0, ECHO)], {}, tmp_path))


def test_what_is_meant_for_the_user_keeps_its_words_and_its_exit_code(tmp_path):
    for known in (InvalidInput, RunOwned):
        error = cause([failure(1, "as it is logged", known("say it so"))], {}, tmp_path)
        assert (type(error), str(error)) == (known, "say it so")

"""Of all that ranks say when an attempt fails, the user is told what came first."""

from ray.exceptions import RayActorError

from launcher.errors import InvalidInput, LauncherError, RunOwned
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.desk import RankFailure
from launcher.train.failure import first_cause
from launcher.train.outcome import Cause
from tests.train.ranks import rank_of, recipe


def found(failures: list[RankFailure], lost: dict[int, Exception], tmp_path: object) -> Cause:
    job = rank_of(0, 2, recipe(Training(), Ddp(kind="ddp")), 4, tmp_path).job
    return first_cause(failures, lost, {1: "host1"}, job)


def cause(failures: list[RankFailure], lost: dict[int, Exception], tmp_path: object) -> LauncherError:
    return found(failures, lost, tmp_path).error


def failure(rank: int, error: str, known: LauncherError | None = None) -> RankFailure:
    return RankFailure(rank, f"host{rank}", error, known, "Traceback ...")


ECHO = "RuntimeError: [gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1234"


def test_a_rank_that_fails_by_itself_goes_before_ranks_that_lost_it(tmp_path):
    error = cause([failure(0, ECHO), failure(1, "ValueError: bad row")], {}, tmp_path)
    log = f"its log: {tmp_path}/logs/1-1.log"
    assert str(error) == f"rank 1 on host1 failed: ValueError: bad row; {log}"
    assert error.exit_code == 1


def test_a_rank_that_died_without_a_word_goes_before_ranks_that_lost_it(tmp_path):
    error = cause(
        [failure(0, ECHO)], {0: RuntimeError("gloo"), 1: RayActorError(error_msg="The actor\n died.")}, tmp_path
    )
    assert str(error).startswith("rank 1 on host1 died without a word (killed, or out of memory): The actor died.; ")


def test_where_all_only_lost_each_other_the_first_is_told(tmp_path):
    assert "rank 1 on host1" in str(cause([failure(1, ECHO), failure(0, ECHO)], {}, tmp_path))


def test_what_is_meant_for_the_user_keeps_its_words_and_its_exit_code(tmp_path):
    for known in (InvalidInput, RunOwned):
        error = cause([failure(1, "as it is logged", known("say it so"))], {}, tmp_path)
        assert (type(error), str(error)) == (known, "say it so")


def test_the_cause_knows_its_kind_its_host_and_its_step(tmp_path):
    types = ("OutOfMemoryError", "RuntimeError", "Exception")
    told = RankFailure(1, "host1", "OutOfMemoryError: CUDA out of memory", None, "Traceback ...", types, 17)
    one = found([failure(0, ECHO), told], {}, tmp_path)
    assert (one.kind, one.rank, one.host, one.step) == ("gpu-memory", 1, "host1", 17)
    assert "; lower training.per_device_train_batch_size " in str(one.error)
    two = found([failure(0, ECHO)], {0: RuntimeError("gloo"), 1: RayActorError(error_msg="died")}, tmp_path)
    assert (two.kind, two.rank, two.host, two.step) == ("lost", 1, "host1", None)
    assert found([failure(0, ECHO)], {}, tmp_path).kind == "collective"


def test_what_a_rank_raised_before_it_could_tell_anyone_is_its_own_word(tmp_path):
    one = found([], {0: ModuleNotFoundError("No module named 'x'"), 1: RayActorError(error_msg="gone")}, tmp_path)
    assert (one.kind, one.rank) == ("import", 0)
    assert "failed: ModuleNotFoundError: No module named 'x'; install what is missing" in str(one.error)

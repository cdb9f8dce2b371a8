"""The first cause of a failed attempt, out of what every rank says."""

from collections.abc import Mapping, Sequence

from launcher.errors import LauncherError
from launcher.storage.layout import rank_log
from launcher.train.desk import RankFailure
from launcher.train.job import Job

ECHOES = ("Connection closed by peer", "Connection reset by peer", "Timed out waiting", "DistBackendError", "gloo")
"""What ranks say when another one has gone: never the first cause where there is a better one."""


def first_cause(failures: Sequence[RankFailure], lost: Mapping[int, Exception], job: Job) -> LauncherError:
    """The error to show for an attempt.

    Args:
        failures: exceptions in the order in which ranks told them.
        lost: what Ray says of each failed rank; ranks that died without a word are in here alone.
    """
    told = {failure.rank for failure in failures}
    silent = [rank for rank in lost if rank not in told]
    echoes = [failure for failure in failures if any(echo in failure.error for echo in ECHOES)]
    own = [failure for failure in failures if failure not in echoes]
    if own:
        return _failed(own[0], job)
    if silent:
        rank = min(silent)
        said = " ".join(str(lost[rank]).split())[:300]
        return LauncherError(f"rank {rank} died without a word (killed, or out of memory): {said}; {_log(rank, job)}")
    if echoes:
        return _failed(echoes[0], job)
    return LauncherError("the workers failed, and none of them said why; see the logs in the run directory")


def _failed(failure: RankFailure, job: Job) -> LauncherError:
    if failure.known is not None:
        return failure.known
    return LauncherError(f"rank {failure.rank} on {failure.host} failed: {failure.error}; {_log(failure.rank, job)}")


def _log(rank: int, job: Job) -> str:
    return f"its log: {job.run_url}/{rank_log(job.attempt, rank)}"

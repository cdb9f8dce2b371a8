"""The first cause of a failed attempt, out of what every rank says."""

from collections.abc import Mapping, Sequence

from launcher.errors import LauncherError
from launcher.storage.layout import rank_log
from launcher.train.desk import RankFailure
from launcher.train.job import Job
from launcher.train.outcome import Cause
from launcher.train.verdicts import LOST, OTHER, kind_of

ECHOES = ("Connection closed by peer", "Connection reset by peer", "Timed out waiting", "DistBackendError", "gloo")
"""What ranks say when another one has gone: never the first cause where there is a better one."""
RAYS = {"RayError", "RayTrainError"}
"""Classes of what Ray itself says of a worker."""


def first_cause(
    failures: Sequence[RankFailure], lost: Mapping[int, Exception], hosts: Mapping[int, str], job: Job
) -> Cause:
    """What an attempt failed of.

    Args:
        failures: exceptions in the order in which ranks told them.
        lost: what Ray says of each failed rank; ranks that died without a word are in here alone.
        hosts: of the ranks that came to say where they are.
    """
    told = {failure.rank for failure in failures}
    raised = [_raised(rank, lost[rank], hosts) for rank in sorted(lost) if rank not in told and _is_own(lost[rank])]
    failures = [*failures, *raised]
    silent = [rank for rank in lost if rank not in told and not _is_own(lost[rank])]
    echoes = [failure for failure in failures if any(echo in failure.error for echo in ECHOES)]
    own = [failure for failure in failures if failure not in echoes]
    if own:
        return _told(own[0], job)
    if silent:
        rank = min(silent)
        said = " ".join(str(lost[rank]).split())[:300]
        where = f" on {hosts[rank]}" if rank in hosts else ""
        error = LauncherError(
            f"rank {rank}{where} died without a word (killed, or out of memory): {said}; {_log(rank, job)}"
        )
        return Cause(error, LOST.name, rank, hosts.get(rank))
    if echoes:
        return _told(echoes[0], job)
    words = "the workers failed, and none of them said why; see the logs in the run directory"
    return Cause(LauncherError(words), OTHER.name)


def cause_of(error: LauncherError) -> Cause:
    """Of an attempt that failed in the driver itself."""
    types = [each.__name__ for each in type(error).__mro__]
    return Cause(error, kind_of(types, f"{type(error).__name__}: {error}").name)


def _is_own(error: Exception) -> bool:
    """Whether Ray passes on what a rank raised before it could tell anyone, and has nothing to say itself."""
    return not RAYS & {each.__name__ for each in type(error).__mro__}


def _raised(rank: int, error: Exception, hosts: Mapping[int, str]) -> RankFailure:
    types = tuple(each.__name__ for each in type(error).__mro__)
    line = " ".join(f"{type(error).__name__}: {error}".split())
    known = error if isinstance(error, LauncherError) else None
    return RankFailure(rank, hosts.get(rank, "an unknown host"), line, known, "", types)


def _told(failure: RankFailure, job: Job) -> Cause:
    kind = kind_of(failure.types, failure.error)
    if failure.known is not None:
        return Cause(failure.known, kind.name, failure.rank, failure.host, failure.step, failure)
    mend = f"; {kind.mend}" if kind.mend else ""
    error = LauncherError(
        f"rank {failure.rank} on {failure.host} failed: {failure.error}{mend}; {_log(failure.rank, job)}"
    )
    return Cause(error, kind.name, failure.rank, failure.host, failure.step, failure)


def _log(rank: int, job: Job) -> str:
    return f"its log: {job.run_url}/{rank_log(job.attempt, rank)}"

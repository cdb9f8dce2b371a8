"""The first cause of a failed attempt, out of what every rank says."""

from collections.abc import Mapping, Sequence

from launcher.errors import InvalidInput, LauncherError
from launcher.train.desk import RankFailure

ECHOES = ("Connection closed by peer", "Connection reset by peer", "Timed out waiting", "DistBackendError", "gloo")
"""What ranks say when another one has gone: never the first cause where there is a better one."""


def first_cause(failures: Sequence[RankFailure], lost: Mapping[int, Exception], logs: str) -> LauncherError:
    """The error to show for an attempt.

    Args:
        failures: exceptions in the order in which ranks told them.
        lost: what Ray says of each failed rank; ranks that died without a word are in here alone.
        logs: where ranks' output is.
    """
    own = [failure for failure in failures if not any(echo in failure.error for echo in ECHOES)]
    if own:
        first = own[0]
        if first.user_error:
            return InvalidInput(first.error.removeprefix("InvalidInput: "))
        return LauncherError(
            f"rank {first.rank} on {first.host} failed: {first.error}; its log: {logs}-{first.rank}.log"
        )
    told = {failure.rank for failure in failures}
    for rank, error in lost.items():
        if rank not in told:
            reason = " ".join(str(error).split())[:300]
            return LauncherError(
                f"rank {rank} died without a word (killed, or out of memory): {reason}; its log: {logs}-{rank}.log"
            )
    if failures:
        first = failures[0]
        return LauncherError(
            f"rank {first.rank} on {first.host} failed: {first.error}; its log: {logs}-{first.rank}.log"
        )
    return LauncherError(f"the workers failed before they ran: {' '.join(map(str, lost.values()))[:300]}")

"""What can go wrong, by who can mend it; each class carries the exit code the command line ends with."""

EXIT_STOPPED, EXIT_AGAIN = 0, 75
"""Stopped as asked; interrupted, and to be started again (`EX_TEMPFAIL` of BSD's sysexits)."""


class LauncherError(Exception):
    """A failure that is told in its own words, without a traceback."""

    exit_code = 1


class InvalidInput(LauncherError, ValueError):
    """Something the user wrote or pointed at is wrong: the message names cause, place and mend."""

    exit_code = 2


class RunOwned(LauncherError):
    """Another attempt owns the run."""

    exit_code = 4

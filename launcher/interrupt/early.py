"""A word to end that comes while the command is still being imported: nothing has begun, so it may be given again."""

import os
import signal
from contextlib import suppress
from types import FrameType

from launcher.errors import EXIT_AGAIN

LATER = (signal.SIGTERM, signal.SIGUSR2)
"""Signals after which the same command goes on."""
STDERR = 2


def end_early() -> None:
    """Until the run has handlers of its own, and again after its end, these signals end the command with 75."""
    for each in LATER:
        signal.signal(each, _end)


def end_at_once() -> None:
    """As without any of this: what goes on elsewhere, such as Slurm's step, is not to be cleaned up behind."""
    for each in LATER:
        signal.signal(each, signal.SIG_DFL)


def _end(signum: int, frame: FrameType | None) -> None:
    name = signal.Signals(signum).name
    text = f"interrupted outside of the run ({name}): give the same command again\n"
    with suppress(OSError):  # nobody reads it any more
        os.write(STDERR, text.encode())  # print may be what was interrupted
    raise SystemExit(EXIT_AGAIN)

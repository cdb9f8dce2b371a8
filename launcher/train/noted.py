"""At which step an exception came up: a note on it, which travels with it and shows in its traceback."""

import re

STEP = re.compile(r"in step (\d+)")


def note_step(error: BaseException, step: int) -> None:
    """Steps are counted from 1."""
    error.add_note(f"in step {step}")


def noted_step(error: BaseException) -> int | None:
    """None where nobody noted one."""
    found = [match for note in getattr(error, "__notes__", []) if (match := STEP.fullmatch(note))]
    return int(found[0][1]) if found else None

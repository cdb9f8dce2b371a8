"""The doctor through the real command line, in this process."""

import contextlib
import io
import json
from dataclasses import dataclass
from typing import Any

from launcher.cli.main import main


@dataclass(frozen=True, slots=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        return list(json.loads(self.out)["verdicts"])

    def of(self, check: str, state: str) -> list[dict[str, Any]]:
        return [each for each in self.verdicts if (each["check"], each["state"]) == (check, state)]


def doctor(*words: str) -> Done:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(["doctor", *words])
    return Done(code, out.getvalue(), err.getvalue())

"""The process in which the W&B client runs; it reads JSON objects, one a line, and answers with such.

In its own process the client can patch `sys.exit`, print, prompt and hang without anyone noticing. Started as a file,
it imports nothing of the launcher.

    {"settings": {...}, "init": {...}}            ->  {"next_step": 13, "address": null or "https://..."}
    {"step": 13, "values": {"train/loss": 1.5}}   ->  nothing
    {"exit_code": 0}                              ->  {}

Anything that fails is answered by {"error": "..."}, and ends the process. So does the end of the input, which means
that whoever wrote it was killed.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb


def main() -> None:
    questions, answers = _take_pipes()
    with tempfile.TemporaryDirectory(prefix="ll-wandb-") as scratch:
        try:
            _serve(questions, answers, scratch)
            answer: dict[str, Any] = {}
        except Exception as error:  # told to whoever asked
            answer = {"error": " ".join(str(error).split()).rstrip(".") or type(error).__name__}
        _stop_service()
    _answer(answers, answer)


def _serve(questions: IO[str], answers: IO[str], scratch: str) -> None:
    run = _begin(json.loads(questions.readline()), scratch)
    _answer(answers, {"next_step": run.starting_step, "address": run.url})
    exit_code = 1
    for line in questions:
        message = json.loads(line)
        if "exit_code" in message:
            exit_code = message["exit_code"]
            break
        run.log(message["values"], step=message["step"])
    folder = Path(run.settings.sync_dir)
    run.finish(exit_code=exit_code)
    for entry in folder.iterdir():
        if entry.is_dir():  # logs, and what else the client made room for
            shutil.rmtree(entry)


def _begin(start: dict[str, Any], scratch: str) -> "wandb.Run":
    os.environ["WANDB_CACHE_DIR"] = scratch  # the client's service writes a log there
    import wandb

    # W&B's stop button would interrupt this process and not the training
    settings = wandb.Settings(**start["settings"], stop_fn=lambda: None)
    return wandb.init(**{"dir": scratch} | start["init"], settings=settings)


def _stop_service() -> None:
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def _take_pipes() -> tuple[IO[str], IO[str]]:
    """Standard input and output for our own use; whatever else reads or writes them meets nothing."""
    questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return questions, answers


def _answer(answers: IO[str], message: dict[str, Any]) -> None:
    print(json.dumps(message), file=answers, flush=True)


if __name__ == "__main__":
    main()

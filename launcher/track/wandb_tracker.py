"""One W&B run for all attempts of a run, written by a process of its own."""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launcher.errors import LauncherError
from launcher.recipe.tracking import Wandb
from launcher.storage.layout import WANDB_ADDRESS
from launcher.storage.store import Store
from launcher.track.tracker import Tell, TrackedRun
from launcher.track.values import history

FOLDER = "wandb"
OFFLINE_NAME = re.compile(rf"{FOLDER}/offline-run-.+-(\d{{6}})/run-.+\.wandb")
"""The client's own name of an offline run's file; the number, ours, orders the attempts' files."""
CHILD = Path(__file__).with_name("wandb_process.py")

INIT_S = 45.0
"""What the client may take to reach W&B."""
ANSWER_S = 30.0
"""What the process may take beyond that, and for anything else."""
FINISH_S = 60.0
"""What the client may take to upload the rest at the end."""

ENVIRONMENT = re.compile(
    r"PATH|HOME|USER|TMPDIR|LANG|LC_.*|XDG_.*|NETRC|SSL_CERT_.*|REQUESTS_CA_BUNDLE|(?i:https?_proxy|no_proxy)|LD_LIBRARY_PATH"
    r"|WANDB_(API_KEY|BASE_URL|ENTITY|IDENTITY_TOKEN_FILE|CREDENTIALS_FILE|CONFIG_DIR|INSECURE_DISABLE_SSL)"
)
"""All that the process is given of the environment: no other secret can reach W&B."""

SETTINGS: dict[str, Any] = {
    "silent": True,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "save_code": False,
    "sagemaker_disable": True,
    "symlink": False,
    "use_dot_wandb": False,
    "label_disable": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "finish_timeout": FINISH_S,
    "finish_timeout_raises": True,
}
"""Only what is logged is kept: no code, no environment, no console, nothing of the machine but its name."""


class WandbFailed(LauncherError):
    """W&B, or the process that speaks to it, does not go on."""


class WandbTracker:
    """Values go to a process, which the client cannot leave and which is killed where it does not answer in time.

    Online, W&B rewinds the run to the resumed step. Offline files cannot be rewound or joined, so each attempt begins
    a new one with the whole history, and only the newest counts. Where W&B cannot be reached or refuses, the attempt is
    kept offline.
    """

    def __init__(self, wandb: Wandb, run: TrackedRun, tell: Tell, init_s: float = INIT_S) -> None:
        self._wandb, self._run = wandb, run
        self._step = -1
        self._tell = tell
        self._temporary = None if run.store.local_path(FOLDER) else tempfile.TemporaryDirectory(prefix="ll-wandb-")
        self._root = Path(self._temporary.name if self._temporary else run.store.root)
        self._replay(self._start_offline(init_s) if wandb.mode == "offline" else self._start_online_or_offline(init_s))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if step < self._step:
            self.close(1)
            raise WandbFailed(f"step {step} came after step {self._step}, which it would leave out")
        self._step = step
        self._send({"step": step, "values": dict(values)})

    def flush(self) -> None:
        """Bring the offline file into the object store; on a disk it is there. The client keeps the last 32 KiB."""
        if self._temporary:
            for file in self._root.glob(f"{FOLDER}/offline-run-*/*.wandb"):
                self._run.store.write(file.relative_to(self._root).as_posix(), file.read_bytes())

    def close(self, exit_code: int) -> None:
        self._send({"exit_code": exit_code})
        self._answer(FINISH_S + ANSWER_S)
        with self._deadline(ANSWER_S):
            self._process.communicate()
        self.flush()
        if self._temporary:
            self._temporary.cleanup()

    def _start_online_or_offline(self, init_s: float) -> int:
        """Online where that can be; returns the step that W&B takes next, as all that start do."""
        try:
            return self._start_online(init_s)
        except WandbFailed as error:
            mend = f"`launcher track sync {self._run.store.location}` uploads it"
            self._tell(f"W&B: {error}; this attempt is kept offline, and {mend}")
            return self._start_offline(init_s)

    def _start_online(self, init_s: float) -> int:
        resumed_step, how = self._run.resumed_step, {"mode": "online"}
        if resumed_step is None:
            return self._start(how, init_s)
        try:
            return self._start(how | {"resume_from": f"{wandb_id(self._run.run_id)}?_step={resumed_step}"}, init_s)
        except WandbFailed as error:
            if "rewind" not in str(error):
                raise
            next_step = self._start(how | {"resume": "allow"}, init_s)
            if next_step > resumed_step + 1:
                self._tell(f"W&B: {error}; it keeps what it has, and leaves out steps before {next_step}")
            return next_step

    def _start_offline(self, init_s: float) -> int:
        return self._start({"mode": "offline", "dir": str(self._root)}, init_s)

    def _start(self, how: Mapping[str, str], init_s: float) -> int:
        """In a new process, as the client's service does not begin a run again that it could not begin."""
        environment = {key: value for key, value in os.environ.items() if ENVIRONMENT.fullmatch(key)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(CHILD)],
            env=environment | {"WANDB_ERROR_REPORTING": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the driver
        )
        wandb = self._wandb.model_dump(include={"project", "entity", "group", "tags", "notes"})
        run = {"id": wandb_id(self._run.run_id), "name": self._run.run_id, "config": dict(self._run.config)}
        suffix = f"{_next_number(self._run.store):06d}"
        settings = SETTINGS | {"init_timeout": init_s, "x_sync_dir_suffix": suffix}
        self._send({"settings": settings, "init": {**wandb, **run, **how}})
        answer = self._answer(init_s + ANSWER_S)
        if answer["address"] is not None:
            self._note_address(answer["address"])
        return int(answer["next_step"])

    def _note_address(self, address: str) -> None:
        """Where a browser finds the run; told once, as it stays the same."""
        store = self._run.store
        if store.exists(WANDB_ADDRESS) and store.read(WANDB_ADDRESS).decode() == address:
            return
        store.write(WANDB_ADDRESS, address.encode())
        self._tell(f"W&B: {address}")

    def _replay(self, next_step: int) -> None:
        """Tell what W&B does not have of the earlier attempts."""
        if self._run.resumed_step is not None and next_step <= self._run.resumed_step:
            for step, values in history(self._run.past, self._run.resumed_step):
                if step >= next_step:
                    self.log(step, values)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            with self._deadline(ANSWER_S):
                print(json.dumps(message), file=self._process.stdin, flush=True)
        except BrokenPipeError as error:
            said, _ = self._process.communicate()
            raise WandbFailed(json.loads(said)["error"] if said else "its process has ended") from error

    def _answer(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        with self._deadline(seconds):
            line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": f"no answer within {seconds:.0f} s"}
        if "error" in answer:
            self._process.kill()
            self._process.communicate()
            raise WandbFailed(answer["error"])
        return answer

    @contextmanager
    def _deadline(self, seconds: float) -> Iterator[None]:
        """Whatever waits for the process ends, as the process does."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def wandb_id(run_id: str) -> str:
    """A run's id at W&B, where 64 characters are the most; the same for every attempt."""
    if len(run_id) <= 64:
        return run_id
    return f"{run_id[:47]}-{hashlib.sha256(run_id.encode()).hexdigest()[:16]}"


def newest_offline(store: Store) -> str | None:
    """Name of the offline file that holds a run's whole history; None where there is none."""
    matches = [match for name in store.list(FOLDER) if (match := OFFLINE_NAME.fullmatch(name))]
    return max(matches, key=lambda match: int(match[1]))[0] if matches else None


def _next_number(store: Store) -> int:
    newest = newest_offline(store)
    match = OFFLINE_NAME.fullmatch(newest) if newest else None
    return int(match[1]) + 1 if match else 1

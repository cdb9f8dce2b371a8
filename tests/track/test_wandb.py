import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from launcher.recipe.recipe import Recipe
from launcher.recipe.tracking import Wandb
from launcher.storage.store import Store
from launcher.track.events import EventLog, read_events
from launcher.track.tracker import TrackedRun
from launcher.track.tracks import Tracks, open_tracks
from launcher.track.wandb_tracker import WandbFailed, WandbTracker, newest_offline, wandb_id
from tests.track import wandb_file
from tests.track.wandb_server import KEY, serving

OFFLINE = {"report_to": ["wandb"], "wandb": {"mode": "offline", "project": "moods", "tags": ["a", "b"]}}


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever W&B account this machine has is out of reach."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_CONFIG_DIR", "NETRC", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)


def attempt(
    store: Store,
    recipe: Recipe,
    number: int,
    resumed_step: int | None,
    steps: Iterable[int],
    told: list[str],
) -> None:
    """As a Ray worker does it: on a thread that is not the main one."""

    def work() -> None:
        tracks = begin(store, recipe, number, resumed_step, told)
        for step in steps:
            tracks.emit("step", step=step, loss=number + step / 100, tokens=512)
        tracks.close(0)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def begin(store: Store, recipe: Recipe, number: int, resumed_step: int | None, told: list[str]) -> Tracks:
    events, past = EventLog(store, number, 0), list(read_events(store))
    return open_tracks(events, store, recipe, resumed_step=resumed_step, past=past, tell=told.append)


def newest(store: Store) -> dict[str, Any]:
    name = newest_offline(store)
    assert name is not None
    return wandb_file.told(Path(store.root, name))


def test_an_offline_run_is_read_back_from_the_client_s_file(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    recipe = recipe_of(tracking=OFFLINE)
    attempt(store, recipe, 1, None, range(1, 4), told)
    run = newest(store)
    assert told == []
    assert (run["id"], run["name"], run["project"], run["tags"]) == ("moods-1", "moods-1", "moods", ["a", "b"])
    assert run["config"] == {"_wandb": {}, **recipe.model_dump(mode="json")}
    assert run["history"] == [(step, {"train/loss": 1 + step / 100, "train/tokens": 512}) for step in (1, 2, 3)]
    assert run["exit_code"] == 0


@pytest.mark.parametrize(("first", "commit", "last"), [(5, 3, 6), (5, 5, 7), (4, 0, 2), (6, 2, 3), (3, 3, 3)])
def test_the_newest_file_of_two_attempts_has_one_run_and_each_step_once(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe], first: int, commit: int, last: int
) -> None:
    recipe = recipe_of(tracking=OFFLINE)
    attempt(store, recipe, 1, None, range(1, first + 1), told)
    attempt(store, recipe, 2, commit, range(commit + 1, last + 1), told)
    run = newest(store)
    losses = [(step, (1 if step <= commit else 2) + step / 100) for step in range(1, last + 1)]
    assert (told, run["id"]) == ([], "moods-1")
    assert [(step, values["train/loss"]) for step, values in run["history"]] == losses


def test_a_third_attempt_has_what_stayed_valid_of_both_before(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    recipe = recipe_of(tracking=OFFLINE)
    attempt(store, recipe, 1, None, range(1, 6), told)
    attempt(store, recipe, 2, 2, range(3, 9), told)
    attempt(store, recipe, 3, 4, range(5, 7), told)
    origin = {step: int(values["train/loss"]) for step, values in newest(store)["history"]}
    assert origin == {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
    assert len([name for name in store.list("wandb") if name.endswith(".wandb")]) == 3


def test_numbers_that_are_not_finite_come_through_the_event_log_and_the_file(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    recipe = recipe_of(tracking=OFFLINE)
    tracks = begin(store, recipe, 1, None, told)
    tracks.emit("step", step=1, loss=math.nan, grad_norm=math.inf)
    tracks.close(1)
    attempt(store, recipe, 2, 1, [2], told)
    (_, values), _ = newest(store)["history"]
    assert math.isnan(values["train/loss"])
    assert values["train/grad_norm"] == math.inf


def test_nothing_of_the_client_stays_in_this_process_or_beside_it(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe], tmp_path: Path
) -> None:
    before, environment = set(psutil.process_iter()), dict(os.environ)
    attempt(store, recipe_of(tracking=OFFLINE), 1, None, range(1, 3), told)
    left = [process for process in set(psutil.process_iter()) - before if "wandb" in process.name()]
    assert left == []
    assert dict(os.environ) == environment
    assert {name.split("/")[0] for name in store.list()} == {"events", "wandb"}
    assert [Path(name).suffix for name in store.list("wandb")] == [".wandb"]
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_secrets_of_the_environment_do_not_reach_the_client(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef" * 3)
    monkeypatch.setenv("WANDB_NOTES", "from the environment")
    tracks = begin(store, recipe_of(tracking=OFFLINE), 1, None, told)
    tracks.emit("step", step=1, loss=1.0)
    (child,) = _children("wandb_process.py")
    assert "AWS_SECRET_ACCESS_KEY" not in child.environ()
    tracks.close(0)
    name = newest_offline(store)
    assert name is not None
    content = store.read(name)
    assert not [word for word in (b"a-secret", b"0123456789abcdef", b"from the environment") if word in content]


def _children(name: str) -> list[psutil.Process]:
    """Processes of this one that run a file; waits for the first."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = [child for child in psutil.Process().children() if any(name in word for word in child.cmdline())]
        if found:
            return found
    raise AssertionError(f"no {name}")


def test_a_client_that_was_killed_is_told_once_and_training_goes_on(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    tracks = begin(store, recipe_of(tracking=OFFLINE), 1, None, told)
    (child,) = _children("wandb_process.py")
    child.kill()
    child.wait()
    for step in range(1, 1000):
        tracks.emit("step", step=step, loss=1.0)
    tracks.close(0)
    (line,) = told
    assert line.startswith("W&B is switched off: ")
    assert len([event for event in read_events(store) if event["kind"] == "step"]) == 999


KILLED = """
import os, signal, sys
from launcher.recipe.tracking import Wandb
from launcher.storage.store import Store
from launcher.track.tracker import TrackedRun
from launcher.track.wandb_tracker import WandbTracker

tracker = WandbTracker(Wandb(mode="offline"), TrackedRun("moods-1", Store.open(sys.argv[1]), {}, None, ()), print)
tracker.log(1, {"train/loss": 1.0})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_killed_worker_is_complete(store: Store) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, store.root], check=False)
    assert killed.returncode == -signal.SIGKILL
    until = time.monotonic() + 30
    while "exit_code" not in (run := newest(store)) and time.monotonic() < until:
        pass
    assert run["history"] == [(1, {"train/loss": 1.0})]
    assert run["exit_code"] == 1


def test_a_step_that_falls_is_refused_instead_of_lost(store: Store) -> None:
    tracker = WandbTracker(Wandb(mode="offline"), TrackedRun("moods-1", store, {}, None, ()), print)
    tracker.log(2, {"train/loss": 1.0})
    tracker.log(2, {"eval/loss": 2.0})
    with pytest.raises(WandbFailed, match="step 1 came after step 2"):
        tracker.log(1, {"train/loss": 1.0})
    assert newest(store)["history"] == [(2, {"train/loss": 1.0, "eval/loss": 2.0})]


def test_in_an_object_store_the_file_is_there_at_the_end(bucket: Store, tmp_path: Path) -> None:
    tracker = WandbTracker(Wandb(mode="offline"), TrackedRun("moods-1", bucket, {}, None, ()), print)
    tracker.log(1, {"train/loss": 1.0})
    tracker.flush()
    name = newest_offline(bucket)
    assert name is not None
    tracker.close(0)
    (tmp_path / "file").write_bytes(bucket.read(name))
    assert wandb_file.told(tmp_path / "file")["history"] == [(1, {"train/loss": 1.0})]
    assert bucket.list() == [name]


class Refusing(BaseHTTPRequestHandler):
    """A W&B that knows no key."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"errors": [{"message": "user is not logged in"}]}'
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


def online(store: Store, told: list[str], init_s: float) -> None:
    run = TrackedRun("moods-1", store, {}, None, ())
    tracker = WandbTracker(Wandb(mode="online"), run, told.append, init_s)
    tracker.log(1, {"train/loss": 1.0})
    tracker.close(0)


def assert_kept_offline(store: Store, told: list[str]) -> None:
    (line,) = told
    assert line.startswith("W&B: ")
    assert line.endswith(f"this attempt is kept offline, and `launcher track sync {store.location}` uploads it")
    assert "\n" not in line
    assert newest(store)["history"] == [(1, {"train/loss": 1.0})]


def test_without_a_key_nobody_is_asked_and_the_attempt_is_kept_offline(store: Store, told: list[str]) -> None:
    online(store, told, init_s=10)
    assert_kept_offline(store, told)


def test_with_a_wrong_key_the_attempt_is_kept_offline(
    store: Store, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Refusing)) as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        online(store, told, init_s=10)
    assert_kept_offline(store, told)
    assert "user is not logged in" in told[0]
    assert KEY not in told[0]


def test_without_a_network_the_attempt_is_kept_offline(
    store: Store, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    online(store, told, init_s=3)
    assert_kept_offline(store, told)


@pytest.mark.parametrize("length", [1, 64, 65, 150])
def test_a_run_has_one_id_at_wandb_however_long_its_own_is(length: int) -> None:
    run_id = ("moods-x." * 20)[:length]
    assert len(wandb_id(run_id)) <= 64
    assert wandb_id(run_id) == wandb_id(run_id)
    assert wandb_id(run_id) != wandb_id(f"{run_id}-b")

"""A real Ray cluster of hosts with its dashboard, and the command line on its head."""

import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from launcher.checkpoint.entries import Commit, Entry
from launcher.checkpoint.journal import Journal
from launcher.recipe.shipped import find
from launcher.storage.store import Store
from tests.nodes.hosts import Host, hosts
from tests.nodes.ray_on import PORT, ray_environment, start_node
from tests.small import SMALL

ROOT = Path(__file__).parents[3]
DASHBOARD = 8265
WITHIN_S = 280.0
PLANTED = "planted-b5c1d0e7"
"""A secret's value, which may stand nowhere."""
MORE = {"WANDB_API_KEY": PLANTED, "PYTHONPATH": str(ROOT)}
"""In the environment of every machine."""
TEST_ROWS = 200


@dataclass(frozen=True)
class Bench:
    folder: Path
    head: Host
    others: tuple[Host, ...]
    environment: dict[str, str] = field(repr=False)

    def launcher(self, *words: str, within: float = WITHIN_S) -> subprocess.CompletedProcess[str]:
        """The command line, on the head."""
        command = (sys.executable, "-m", "launcher", *words)
        return self.head.run(*command, folder=self.folder, environment=self.environment, within=within)

    def start(self, other: Host) -> None:
        """Have a host join the cluster."""
        start_node(other, f"{self.head.address}:{PORT}", self.folder, 1, MORE)

    @property
    def hosts(self) -> tuple[Host, ...]:
        return (self.head, *self.others)

    def done(self, *words: str) -> str:
        ended = self.launcher(*words)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def submit(self, run_id: str, *overrides: str, recipe: str = "small.yaml", profile: str = "ray.yaml") -> str:
        """Gives the name of the job."""
        told = self.done("submit", recipe, *overrides, "--cluster", profile, "--run-id", run_id)
        (job,) = (line.split()[1] for line in told.splitlines() if line.startswith("job "))
        return job

    def state(self, run_id: str) -> str:
        return str(json.loads(self.done("status", run_id, "--json"))["state"])

    def until_committed(self, run_id: str, after: int = 0) -> None:
        """Wait for a commit of a later step."""
        self.until(lambda: any(each.step > after for each in self.commits(run_id)), "a commit")

    def until_trains(self, after: int | None = None) -> None:
        """Wait for the first steps of a driver, one that goes on after a step where that is given."""
        going_on = "" if after is None else f"^going on  after step {after}, .*"
        self.until(lambda: re.search(rf"{going_on}^step +\d+/", self.printed(), re.MULTILINE | re.DOTALL), "a step")

    def commits(self, run_id: str) -> list[Commit]:
        begun = (self.folder / "runs" / run_id / "journal").is_dir()
        return [each for each in self.entries(run_id) if isinstance(each, Commit)] if begun else []

    def entries(self, run_id: str) -> list[Entry]:
        return Journal(Store.open(str(self.folder / "runs" / run_id))).entries()

    def until(self, happened: Any, what: str, within: float = WITHIN_S) -> None:
        deadline = time.monotonic() + within
        while not happened():
            assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}\n{self.printed()}"
            time.sleep(0.2)

    def printed(self) -> str:
        """What drivers printed, whatever they are called."""
        return self.head.run("sh", "-c", "tail -n 50 /tmp/ray/session_latest/logs/job-driver-*").stdout

    def answers(self) -> bool:
        """Whether the dashboard is up, whatever it says."""
        asking = (
            f"import http.client as h; c = h.HTTPConnection('{self.head.address}', {DASHBOARD}); c.request('GET', '/')"
        )
        return self.head.run(sys.executable, "-c", asking).returncode == 0

    def described(self) -> str:
        """All that the cluster tells of its jobs, to anyone."""
        asking = f"from ray.job_submission import JobSubmissionClient as C; print(C('{self.dashboard}').list_jobs())"
        return self.head.run(sys.executable, "-c", asking, environment=self.environment).stdout

    def write_stories(self, shared: Path, **training: Any) -> None:
        """`stories.yaml`: a shipped recipe of a real pretrained Llama on real rows, of which it is scored on a few."""
        rows = (shared / "data/sst2/test.tsv").read_text().splitlines(keepends=True)
        (self.folder / "test.tsv").write_text("".join(rows[:: len(rows) // TEST_ROWS]))
        recipe = {
            "extends": str(find("recipes", "stories260k/sst2-lora")),
            "model": {"name_or_path": str(shared / "models/stories260k")},
            "data": {
                "train": {"url": str(shared / "data/sst2/train.tsv")},
                "test": {"url": str(self.folder / "test.tsv")},
            },
            "training": training,
        }
        (self.folder / "stories.yaml").write_text(yaml.safe_dump(recipe))

    @property
    def dashboard(self) -> str:
        return f"http://{self.head.address}:{DASHBOARD}"

    def write(self, name: str, **fields: Any) -> None:
        """A profile of the cluster."""
        values = {"backend": "ray", "address": self.dashboard, "nodes": 2}
        values |= {
            "storage": str(self.folder / "runs"),
            "cache_folder": str(self.folder / "cache"),
            "python": sys.executable,
        }
        (self.folder / name).write_text(yaml.safe_dump(values | fields))


@contextmanager
def ray_hosts(
    folder: Path,
    names: Sequence[str] = ("head", "other"),
    *,
    head_cpus: int = 1,
    spare: str | None = None,
    **fields: Any,
) -> Iterator[Bench]:
    """Started, used, and gone with its hosts; `small.yaml` and `ray.yaml` are in the folder.

    Args:
        head_cpus: 0 where no worker of a run shall be on the head, as in a RayJob.
        spare: A host that is not in the cluster until it is started.
        fields: Of the profile.
    """
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    with hosts([*names, *([spare] if spare else [])], folder) as (head, *others):
        environment = ray_environment(folder, MORE)
        started = head.start(
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={head.address}"),
            *("--head", f"--port={PORT}", "--include-dashboard=true", "--dashboard-host=0.0.0.0"),
            *(f"--dashboard-port={DASHBOARD}", f"--num-cpus={head_cpus}", "--object-store-memory=100000000"),
            log=folder / "ray-head.log",
            environment=environment,
        )
        bench = Bench(folder, head, tuple(others), environment)
        for other in others:
            if other.name != spare:
                bench.start(other)
        bench.write("ray.yaml", secrets=["WANDB_API_KEY"], environment={"MOOD": "good"}, **fields)

        def answers() -> bool:
            assert started.poll() is None, (folder / "ray-head.log").read_text()
            return bench.answers()

        bench.until(answers, "the dashboard answers")
        yield bench

"""A real Ray cluster of hosts with its dashboard, and the command line on its head."""

import json
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
from launcher.storage.store import Store
from tests.nodes.hosts import Host, hosts
from tests.nodes.ray_on import PORT, ray_environment, start_node
from tests.small import SMALL

ROOT = Path(__file__).parents[3]
DASHBOARD = 8265
WITHIN_S = 280.0
PLANTED = "planted-b5c1d0e7"
"""A secret's value, which may stand nowhere."""


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

    @property
    def hosts(self) -> tuple[Host, ...]:
        return (self.head, *self.others)

    def done(self, *words: str) -> str:
        ended = self.launcher(*words)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def submit(self, run_id: str, *overrides: str, profile: str = "ray.yaml") -> str:
        """Submit `small.yaml`; gives the name of the job."""
        told = self.done("submit", "small.yaml", *overrides, "--cluster", profile, "--run-id", run_id)
        (job,) = (line.split()[1] for line in told.splitlines() if line.startswith("job "))
        return job

    def state(self, run_id: str) -> str:
        return str(json.loads(self.done("status", run_id, "--json"))["state"])

    def until_committed(self, run_id: str, after: int = 0) -> None:
        """Wait for a commit of a later step."""
        deadline = time.monotonic() + WITHIN_S / 2
        while not any(each.step > after for each in self.commits(run_id)):
            assert time.monotonic() < deadline, self.done("logs", run_id)
            time.sleep(0.2)

    def commits(self, run_id: str) -> list[Commit]:
        begun = (self.folder / "runs" / run_id / "journal").is_dir()
        return [each for each in self.entries(run_id) if isinstance(each, Commit)] if begun else []

    def entries(self, run_id: str) -> list[Entry]:
        return Journal(Store.open(str(self.folder / "runs" / run_id))).entries()

    def until(self, happened: Any, what: str, within: float = WITHIN_S) -> None:
        deadline = time.monotonic() + within
        while not happened():
            assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether the dashboard is up, whatever it says."""
        asking = (
            f"import http.client as h; c = h.HTTPConnection('{self.head.address}', {DASHBOARD}); c.request('GET', '/')"
        )
        return self.head.run(sys.executable, "-c", asking).returncode == 0

    def write(self, name: str, **fields: Any) -> None:
        """A profile of the cluster."""
        values = {"backend": "ray", "address": f"http://{self.head.address}:{DASHBOARD}", "nodes": 2}
        values |= {
            "storage": str(self.folder / "runs"),
            "cache_folder": str(self.folder / "cache"),
            "python": sys.executable,
        }
        (self.folder / name).write_text(yaml.safe_dump(values | fields))


@contextmanager
def ray_hosts(folder: Path, names: Sequence[str] = ("head", "other"), **fields: Any) -> Iterator[Bench]:
    """Started, used, and gone with its hosts; `small.yaml` and `ray.yaml` are in the folder."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    more = {"WANDB_API_KEY": PLANTED, "PYTHONPATH": str(ROOT)}
    with hosts(names, folder) as (head, *others):
        environment = ray_environment(folder, more)
        address = f"{head.address}:{PORT}"
        started = head.start(
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--node-ip-address={head.address}"),
            *("--head", f"--port={PORT}", "--include-dashboard=true", "--dashboard-host=0.0.0.0"),
            *(f"--dashboard-port={DASHBOARD}", "--num-cpus=1", "--object-store-memory=100000000"),
            log=folder / "ray-head.log",
            environment=environment,
        )
        for other in others:
            start_node(other, address, folder, 1, more)
        bench = Bench(folder, head, tuple(others), environment)
        bench.write("ray.yaml", secrets=["WANDB_API_KEY"], environment={"MOOD": "good"}, **fields)

        def answers() -> bool:
            assert started.poll() is None, (folder / "ray-head.log").read_text()
            return bench.answers()

        bench.until(answers, "the dashboard answers")
        yield bench

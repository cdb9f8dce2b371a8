"""A run as a Ray job of a cluster that is there already: submitted, followed and ended, from its id alone."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from launcher.backends.backend import JobStatus, State
from launcher.backends.kept_logs import kept_logs
from launcher.backends.ray_jobs.connect import ADDRESS, NoSuchJob, Unreachable, ask, check_python, connect
from launcher.backends.ray_jobs.follow import job_lines
from launcher.backends.ray_jobs.package import measured, package
from launcher.backends.ray_jobs.request import NONCE, RUN, Request, job_id, request, request_yaml
from launcher.backends.submission import Submission
from launcher.cluster.profile import Profile
from launcher.cluster.ray import Ray
from launcher.errors import InvalidInput, LauncherError, RunOwned

STATES: dict[str, State] = {
    "PENDING": "starting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "STOPPED": "failed",
}
TRIES = 3


def backend(profile: Profile) -> "RayBackend":
    assert isinstance(profile, Ray)
    return RayBackend(profile)


@dataclass
class RayBackend:
    """One cluster; nothing is asked before a method needs it."""

    profile: Ray
    tell: Callable[[str], None] = field(default=lambda line: print(line, file=sys.stderr))

    @cached_property
    def client(self) -> Any:
        return connect(self.profile)

    @property
    def address(self) -> str:
        return self.profile.address or os.environ.get(ADDRESS, "")

    def render(self, submission: Submission) -> str:
        made = request(submission, 1)
        _files(made)
        return request_yaml(made)

    def check(self, submission: Submission) -> None:
        self.render(submission)
        check_python(self.address, self.client, self.tell)
        _refuse_second(submission.run_id, self._jobs(submission.run_id))

    def submit(self, submission: Submission) -> str:
        first = request(submission, 1)  # what is wrong with it is told before the cluster is asked
        with tempfile.TemporaryDirectory(prefix="ll-package-") as folder:
            packed = _packed(first, Path(folder))
            jobs = self._jobs(submission.run_id)
            _refuse_second(submission.run_id, jobs)
            taken = [_number(job.submission_id, submission.run_id) for job in jobs]
            name = job_id(submission.run_id, max(taken, default=0) + 1)
            return self._submit(replace(packed, submission_id=name))

    def status(self, run_id: str) -> JobStatus:
        job = self._newest(run_id)
        if job is None:
            return JobStatus("absent")
        details = [] if job.status.value in ("RUNNING", "SUCCEEDED") or not job.message else [_one_line(job.message)]
        if job.status.value == "STOPPED":
            details.insert(0, "cancelled: Ray ended the driver")
        host = getattr(job.driver_info, "node_ip_address", None)
        return JobStatus(STATES[job.status.value], job.submission_id, (host,) if host else (), tuple(details))

    def logs(self, run_id: str, *, follow: bool) -> Iterator[str]:
        job = self._newest(run_id)
        run_url = f"{self.profile.storage.rstrip('/')}/{run_id}"
        if job is None:
            yield from kept_logs(run_url, f"{self.address} knows no job of run {run_id}")
            return
        try:
            yield from job_lines(self.client, self.address, job.submission_id, follow=follow)
        except NoSuchJob:
            yield from kept_logs(run_url, f"{self.address} has no output of {job.submission_id} any more")

    def stop(self, run_id: str) -> str | None:
        job = self._newest(run_id)
        if job is None or job.status.value != "PENDING":
            return None
        self._end(job.submission_id)
        return f"{job.submission_id} had not begun, and is ended"

    def cancel(self, run_id: str) -> str:
        alive = [job.submission_id for job in self._jobs(run_id) if not job.status.is_terminal()]
        if not alive:
            raise InvalidInput(f"{run_id}: no job of this run is alive at {self.address}")
        for name in alive:
            self._end(name)
        return f"{', '.join(alive)} is ended at {self.address}; Ray leaves a driver 3 s, which is no time for a commit"

    def _submit(self, made: Request) -> str:
        nonce = uuid4().hex
        words = {**made.metadata, NONCE: nonce}
        environment: dict[str, Any] = {"env_vars": made.environment}
        if made.working_dir is not None:
            environment["working_dir"] = made.working_dir
        for _ in range(TRIES):
            try:
                ask(
                    self.address,
                    lambda: self.client.submit_job(
                        entrypoint=made.entrypoint,
                        submission_id=made.submission_id,
                        runtime_env=environment,
                        metadata=dict(words),
                    ),
                )
            except LauncherError as error:
                found = self._info(made.submission_id)
                if found is None:
                    lost = error
                    if isinstance(error, Unreachable):
                        continue
                    raise
                if (found.metadata or {}).get(NONCE) != nonce:
                    raise _owned(made.metadata[RUN], made.submission_id) from error
            return made.submission_id
        raise lost

    def _info(self, name: str) -> Any:
        try:
            return ask(self.address, lambda: self.client.get_job_info(name))
        except NoSuchJob:
            return None

    def _end(self, name: str) -> None:
        ask(self.address, lambda: self.client.stop_job(name))

    def _jobs(self, run_id: str) -> list[Any]:
        """Jobs of a run, the newest last."""
        found = [job for job in ask(self.address, self.client.list_jobs) if (job.metadata or {}).get(RUN) == run_id]
        return sorted(found, key=lambda job: _number(job.submission_id, run_id))

    def _newest(self, run_id: str) -> Any:
        return next(reversed(self._jobs(run_id)), None)


def _files(made: Request) -> tuple[Path, list[str]] | None:
    """The working directory with the files of it that go along.

    Raises:
        InvalidInput: it is more than Ray takes.
    """
    if made.working_dir is None:
        return None
    from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE

    folder = Path(made.working_dir).expanduser()
    return folder, measured(folder, made.excludes, GCS_STORAGE_MAX_SIZE)


def _packed(made: Request, to: Path) -> Request:
    """The request with its working directory as a file that Ray takes."""
    found = _files(made)
    if found is None:
        return made
    target = to / "working_dir.zip"
    package(*found, target)
    return replace(made, working_dir=str(target))


def _number(name: str, run_id: str) -> int:
    told = name.removeprefix(f"{run_id}-a")
    return int(told) if told.isdigit() else 0


def _refuse_second(run_id: str, jobs: list[Any]) -> None:
    for job in jobs:
        if not job.status.is_terminal():
            raise _owned(run_id, job.submission_id)


def _owned(run_id: str, name: str) -> RunOwned:
    return RunOwned(
        f"run {run_id} is in the cluster already as {name}: follow it with launcher status, or end it with launcher "
        "stop or launcher cancel"
    )


def _one_line(told: object) -> str:
    return " ".join(str(told).split())

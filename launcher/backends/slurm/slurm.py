"""The Slurm backend: a run is a job of the run's name."""

import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher.backends.backend import JobStatus, State
from launcher.backends.slurm.job_folder import CANCEL, JobFolder
from launcher.backends.slurm.limits import read_limits, warnings
from launcher.backends.slurm.render import output_folder, render
from launcher.backends.slurm.this_node import secrets_of
from launcher.backends.slurm.tools import HELD_FOR_EVER, Job, call, jobs_named
from launcher.backends.submission import Submission
from launcher.cluster.profile import Profile
from launcher.cluster.slurm import Slurm
from launcher.errors import InvalidInput, LauncherError

STATES: dict[str, State] = {
    "PENDING": "queued",
    "REQUEUED": "queued",
    "REQUEUE_HOLD": "queued",
    "CONFIGURING": "starting",
    "RUNNING": "running",
    "SUSPENDED": "running",
    "STOPPED": "running",
    "SIGNALING": "running",
    "STAGE_OUT": "ending",
    "COMPLETING": "ending",
    "COMPLETED": "done",
}
"""What Slurm calls a state; all others are failures."""
ENDED = ("done", "failed")
ELEMENT = re.compile(r"(?P<sweep>.+)-(?P<number>\d+)")
POLLS_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Between two looks at the queue, the last again and again: the controller serves everybody."""
REASON_S = 5.0
"""For Slurm to say why a job waits."""


@dataclass(frozen=True, slots=True)
class SlurmBackend:
    profile: Slurm

    def render(self, submission: Submission) -> str:
        return render(submission)

    def check(self, submission: Submission) -> None:
        check_text(self.profile, submission.run_id, self.render(submission))

    def submit(self, submission: Submission) -> str:
        return submit_text(self.profile, submission, self.render(submission))

    def status(self, run_id: str) -> JobStatus:
        job = newest_job(run_id)
        if job is None:
            return JobStatus("absent")
        state = STATES.get(job.state, "failed")
        return JobStatus(state, job.id, (job.nodes,) if job.nodes else (), tuple(_details(job, state)))

    def logs(self, run_id: str, *, follow: bool) -> Iterator[str]:
        file = self._output(run_id)
        with file.open(errors="replace") as lines:
            waits = iter(POLLS_S)
            while True:
                line = lines.readline()
                if line:
                    yield line.rstrip("\n")
                    waits = iter(POLLS_S)
                    continue
                job = newest_job(run_id) if follow else None
                if job is None or STATES.get(job.state, "failed") in ENDED:
                    yield from (line.rstrip("\n") for line in lines)
                    return
                time.sleep(next(waits, POLLS_S[-1]))

    def stop(self, run_id: str) -> str | None:
        job = newest_job(run_id)
        if job is None or STATES.get(job.state, "failed") != "queued":
            return None
        call("scancel", job.id)
        return f"job {job.id} was waiting, and is out of the queue"

    def cancel(self, run_id: str) -> str:
        job = newest_job(run_id)
        if job is None or STATES.get(job.state, "failed") in ENDED:
            raise InvalidInput(f"{run_id}: Slurm has no job of this name that could be cancelled; see launcher status")
        # Before Slurm's SIGTERM, at which the driver would commit first
        for start in JobFolder.all_of(self.profile.folder, job.number):
            start.notice(CANCEL)
        call("scancel", job.id)
        return f"job {job.id} is cancelled"

    def _output(self, run_id: str) -> Path:
        """The output of the run's newest job, of a sweep's element its own."""
        match = ELEMENT.fullmatch(run_id)
        found = list(Path(output_folder(self.profile, run_id)).glob("*.out"))
        if not found and match is not None:
            found = list(Path(output_folder(self.profile, match["sweep"])).glob(f"*_{match['number']}.out"))
        if not found:
            raise InvalidInput(f"{run_id}: no output of it in {self.profile.folder}; has its job begun?")
        return max(found, key=lambda file: file.stat().st_mtime)


def backend(profile: Profile) -> SlurmBackend:
    """The backend of a profile; `~` in it means the home of who submits."""
    assert isinstance(profile, Slurm)
    return SlurmBackend(resolved(profile))


def resolved(profile: Slurm) -> Slurm:
    """The profile as jobs read it: with absolute paths."""
    storage = profile.storage if "://" in profile.storage else os.path.abspath(os.path.expanduser(profile.storage))
    folder = os.path.abspath(os.path.expanduser(profile.folder))
    file = None if profile.secrets_file is None else os.path.abspath(os.path.expanduser(profile.secrets_file))
    return profile.model_copy(update={"storage": storage, "folder": folder, "secrets_file": file})


def check_text(profile: Slurm, run_id: str, text: str) -> None:
    """Ask Slurm about a batch script, and submit nothing.

    Raises:
        InvalidInput: a secret is missing, the run has a job already, or Slurm refuses the job.
    """
    secrets_of(profile.secrets_file, profile.secrets)
    there = newest_job(run_id)
    if there is not None and STATES.get(there.state, "failed") not in ENDED:
        raise InvalidInput(f"{run_id}: is job {there.id} already, {there.state.lower()}; see launcher status")
    call("sbatch", "--test-only", stdin=text)  # refuses what Slurm would otherwise take, and never start


def submit_text(profile: Slurm, submission: Submission, text: str) -> str:
    """Hand a batch script that was checked to Slurm, once; returns the job's number.

    Raises:
        InvalidInput: Slurm refuses the job after all, or will never start it.
    """
    for folder in (profile.folder, output_folder(profile, submission.run_id)):
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    for line in warnings(read_limits(profile.partition), profile, submission.lead_s):
        print(f"warning   {line}", file=sys.stderr)
    job = call("sbatch", "--parsable", stdin=text).strip().partition(";")[0]
    if not job.split("_")[0].isdigit():
        raise LauncherError(f"sbatch printed {job!r}, which is no job's number")
    _refuse_held(job, submission.run_id)
    return job


def newest_job(run_id: str) -> Job | None:
    """The run's job that Slurm knows last; an element of a sweep is found by the sweep's name and its number."""
    match = ELEMENT.fullmatch(run_id)
    jobs = jobs_named([run_id, *([match["sweep"]] if match else [])])
    own = [job for job in jobs if job.name == run_id or (match and job.element == match["number"])]
    return own[-1] if own else None


def _refuse_held(job: str, run_id: str) -> None:
    """Take a job out of the queue again that would wait in it for ever, where Slurm soon says so."""
    deadline = time.monotonic() + REASON_S
    while (found := newest_job(run_id)) is not None and found.reason == "None" and STATES.get(found.state) == "queued":
        if time.monotonic() > deadline:
            break
        time.sleep(POLLS_S[0])
    if found is None or found.reason not in HELD_FOR_EVER:
        return
    call("scancel", job)
    field, why = HELD_FOR_EVER[found.reason]
    raise InvalidInput(f"{field}: Slurm would never start the job ({found.reason}): {why}")


def _details(job: Job, state: State) -> Iterator[str]:
    if state == "queued":
        start = "" if job.start == "N/A" else f", expected to start at {job.start}"
        yield f"waits for {job.reason}{start}"
    elif state in ("running", "starting"):
        yield f"{job.left} left of its time limit"
    elif state == "failed":
        yield f"Slurm says {job.state}" + (f": {job.reason}" if job.reason != "None" else "")

"""The RayJobs of a run in a cluster: found by the run's id, created once, removed."""

from typing import Any
from uuid import uuid4

from launcher.backends.kubernetes.connect import GROUP, VERSION, Api
from launcher.backends.kubernetes.failures import NotThere, Taken, Unreachable
from launcher.backends.kubernetes.manifest import manifest
from launcher.backends.kubernetes.names import NONCE, NUMBER, RUN, RUN_ID, job_name, run_name
from launcher.backends.submission import Submission
from launcher.errors import LauncherError, RunOwned

PLURAL = "rayjobs"
RAYJOBS = f"{PLURAL}.{GROUP}"
ENDED = ("Complete", "Failed")
TRIES = 3
Job = dict[str, Any]


def jobs_of(api: Api, run_id: str) -> list[Job]:
    """Every RayJob of a run, the newest last."""
    found = api.ask(
        "list",
        RAYJOBS,
        lambda: api.custom.list_namespaced_custom_object(
            GROUP, VERSION, api.namespace, PLURAL, label_selector=f"{RUN}={run_name(run_id)}"
        ),
    )
    mine = [one for one in found["items"] if _annotations(one).get(RUN_ID) == run_id]
    return sorted(mine, key=_number)


def check(api: Api, submission: Submission) -> None:
    """Have the API server look at the run's next job, and create nothing.

    Raises:
        RunOwned: a job of the run has not ended.
        LauncherError: the cluster refuses it, or does not answer.
    """
    number = _next_number(api, submission.run_id)
    body = manifest(submission, number)
    try:
        api.ask("create", RAYJOBS, lambda: _create(api, body, dry=True))
    except Taken as error:
        raise _owned(submission.run_id, job_name(submission.run_id, number)) from error


def create(api: Api, submission: Submission) -> str:
    """Create the run's next job, once, though an answer may be lost; returns its name.

    Raises:
        RunOwned: a job of the run has not ended.
        LauncherError: the cluster refuses it, or does not answer.
    """
    number = _next_number(api, submission.run_id)
    body, nonce = manifest(submission, number), uuid4().hex
    body["metadata"]["annotations"][NONCE] = nonce
    name = job_name(submission.run_id, number)
    for _ in range(TRIES):
        try:
            api.ask("create", RAYJOBS, lambda: _create(api, body, dry=False), again=False)
        except (Unreachable, Taken) as error:
            found = _read(api, name)
            if found is None:
                lost: LauncherError = error
                continue
            if _annotations(found).get(NONCE) != nonce:
                raise _owned(submission.run_id, name) from error
        return name
    raise lost


def _next_number(api: Api, run_id: str) -> int:
    """Of the run's next job.

    Raises:
        RunOwned: a job of the run has not ended.
    """
    jobs = jobs_of(api, run_id)
    alive = [one["metadata"]["name"] for one in jobs if not has_ended(one)]
    if alive:
        raise _owned(run_id, alive[-1])
    return _number(jobs[-1]) + 1 if jobs else 1


def remove(api: Api, job: Job) -> None:
    """Delete a job; its cluster and pods go with it."""
    name = job["metadata"]["name"]
    try:
        api.ask(
            "delete",
            RAYJOBS,
            lambda: api.custom.delete_namespaced_custom_object(
                GROUP, VERSION, api.namespace, PLURAL, name, propagation_policy="Background"
            ),
        )
    except NotThere:
        return


def has_ended(job: Job) -> bool:
    return (job.get("status") or {}).get("jobDeploymentStatus") in ENDED


def _create(api: Api, body: Job, *, dry: bool) -> Any:
    more = {"dry_run": "All"} if dry else {}
    # Strict, or an older KubeRay would leave out without a word what it does not know
    return api.custom.create_namespaced_custom_object(
        GROUP, VERSION, api.namespace, PLURAL, body, field_validation="Strict", **more
    )


def _read(api: Api, name: str) -> Job | None:
    try:
        found: Job = api.ask(
            "get",
            RAYJOBS,
            lambda: api.custom.get_namespaced_custom_object(GROUP, VERSION, api.namespace, PLURAL, name),
        )
    except NotThere:
        return None
    return found


def _annotations(job: Job) -> dict[str, str]:
    return job["metadata"].get("annotations") or {}


def _number(job: Job) -> int:
    return int(_annotations(job).get(NUMBER, 0))


def _owned(run_id: str, name: str) -> RunOwned:
    return RunOwned(
        f"run {run_id} is in the cluster already as {name}: follow it with launcher status, or end it with launcher "
        "stop or launcher cancel"
    )

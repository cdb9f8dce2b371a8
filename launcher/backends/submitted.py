"""A run that was submitted, found again by what a user calls it."""

from dataclasses import dataclass
from itertools import count

from launcher.backends.backend import Backend, JobStatus, backend_of
from launcher.cluster.load import load_profile
from launcher.errors import InvalidInput
from launcher.ledger.attempts import attempts
from launcher.storage.layout import RECIPE, WANDB_ADDRESS, profile_name
from launcher.storage.runs import find_run
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class SubmittedRun:
    run_id: str
    store: Store
    backend: Backend


def find_submitted(run: str, cluster: str | None) -> SubmittedRun:
    """A run with the backend that it was submitted to last.

    Args:
        run: A run directory as path or URL, or an id under ./runs or under the storage of the profile.
        cluster: A profile to take instead of the run's own.

    Raises:
        InvalidInput: there is no such run, or it was never submitted.
    """
    if cluster is not None:
        backend = backend_of(load_profile(cluster))
        store = Store.open(f"{backend.profile.storage.rstrip('/')}/{run}")
        if not store.exists(RECIPE):
            store = find_run(run)
        return SubmittedRun(run.rstrip("/").rpartition("/")[2], store, backend)
    store = find_run(run)
    number = next(number for number in count(1) if not store.exists(profile_name(number))) - 1
    if not number:
        raise InvalidInput(f"{store.location} was not submitted: its driver ran where it was started")
    profile = load_profile(f"{store.location}/{profile_name(number)}")
    return SubmittedRun(store.location.rpartition("/")[2], store, backend_of(profile))


def end_waiting(store: Store) -> str | None:
    """Take a run's job out of its scheduler's queue, where no attempt has the run; tells what was done.

    Returns:
        None where the run was never submitted, an attempt has it, or no job of it waits.

    Raises:
        InvalidInput: the scheduler cannot be asked from here.
    """
    from launcher.checkpoint.journal import Journal

    if not store.exists(profile_name(1)) or Journal(store).owner() is not None:
        return None
    run = find_submitted(store.location, None)
    return run.backend.stop(run.run_id)


def status_lines(run: SubmittedRun) -> list[str]:
    """What the scheduler and the run directory say, for a reader."""
    said = run.backend.status(run.run_id)
    return [f"run       {run.store.location}", *_scheduler_lines(run, said), *progress_lines(run.store)]


def status_dict(run: SubmittedRun) -> dict[str, object]:
    said = run.backend.status(run.run_id)
    progress = _progress(run.store)
    return {"run": run.store.location, "state": said.state, "job": said.job, "nodes": said.nodes, **progress} | {
        "details": said.details
    }


def progress_lines(store: Store) -> list[str]:
    """How far a run has come, by its journal."""
    found = _progress(store)
    lines = []
    if found["attempts"]:
        lines.append(f"attempts  {found['attempts']}")
    if found["step"] is not None:
        lines.append(f"committed step {found['step']:,}, {found['committed']}")
    if found["cause"] is not None:
        lines.append(f"closed    {found['cause']} (exit code {found['exit_code']})")
    elif found["hosts"]:
        lines.append(f"owned by  {found['owner']} on {found['hosts']}")
    if found["wandb"] is not None:
        lines.append(f"W&B       {found['wandb']}")
    return lines or ["journal   empty: no attempt has begun"]


def _scheduler_lines(run: SubmittedRun, said: JobStatus) -> list[str]:
    kind = run.backend.profile.backend
    if said.state == "absent":
        return [f"{kind:<9} has no job of this name, or not any more"]
    where = f" on {', '.join(said.nodes)}" if said.nodes else ""
    return [f"{kind:<9} job {said.job}: {said.state}{where}", *(f"          {line}" for line in said.details)]


def _progress(store: Store) -> dict[str, object]:
    from launcher.checkpoint.entries import live_commits
    from launcher.checkpoint.journal import Journal

    entries = Journal(store).entries()
    lines, commits = attempts(entries), live_commits(entries)
    last = lines[-1] if lines else None
    return {
        "attempts": len(lines),
        "step": commits[-1].step if commits else None,
        "committed": commits[-1].time[:19].replace("T", " ") if commits else None,
        "cause": last.cause if last else None,
        "exit_code": last.exit_code if last else None,
        "owner": f"{last.backend}, {last.job_id}" if last else None,
        "hosts": ", ".join(last.hosts) if last else None,
        "wandb": store.read(WANDB_ADDRESS).decode() if store.exists(WANDB_ADDRESS) else None,
    }

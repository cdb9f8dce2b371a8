"""`launcher submit`: a recipe and a profile -> a run directory and a job."""

from dataclasses import dataclass

from launcher.backends.backend import Backend, backend_of
from launcher.backends.submission import Submission, write_submission
from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput, LauncherError
from launcher.recipe.recipe import Recipe


class DoesNotFit(LauncherError):
    """The plan says that memory will not do."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What a command line says besides recipe and profile."""

    run_id: str | None = None
    takeover: bool = False
    may_change: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Submitted:
    run_id: str
    run_url: str
    job: str


def plan_submission(recipe: Recipe, profile: Profile, options: Options) -> tuple[Backend, Submission]:
    """What would be submitted; nothing is written and nobody is asked.

    Raises:
        InvalidInput: the profile submits nothing, or something does not fit together.
        DoesNotFit: the plan knows that memory will not do.
    """
    from launcher.plan.outlook import look_ahead
    from launcher.plan.preview import preview
    from launcher.train.run_directory import new_run_id, run_store

    backend = backend_of(profile)
    profile = backend.profile
    ahead = preview(recipe, profile)
    outlook = look_ahead(recipe, ahead.config, ahead.plan.batches, ahead.hardware)
    if outlook is not None and not outlook.fits:
        raise DoesNotFit(f"{recipe.name} does not fit these machines; see launcher plan with the same words")
    run_id = new_run_id(recipe) if options.run_id is None else options.run_id
    store = run_store(profile.storage, run_id)
    lead = None if outlook is None else outlook.saves.lead_s
    return backend, Submission(
        run_id, store.location, recipe, profile, 1, lead, takeover=options.takeover, may_change=options.may_change
    )


def submit(backend: Backend, submission: Submission) -> Submitted:
    """Write the run directory, and submit.

    Raises:
        InvalidInput: the storage or the scheduler refuses it.
    """
    status = backend.status(submission.run_id)
    if status.state in ("queued", "starting", "running", "ending"):
        raise InvalidInput(
            f"--run-id: {submission.run_id} is job {status.job} already, {status.state}; see launcher status"
        )
    backend.check(submission)
    written = write_submission(submission, submission.may_change)
    return Submitted(written.run_id, written.run_url, backend.submit(written))

"""`launcher submit`: a recipe and a profile -> a run directory and a job."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.backends.backend import Backend, backend_of
from launcher.backends.bad_hosts import without_bad_hosts
from launcher.backends.submission import Submission, write_submission
from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput, LauncherError
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import profile_name, recipe_name
from launcher.storage.store import Store
from launcher.train.options import Options

if TYPE_CHECKING:
    from launcher.plan.preview import Preview


class DoesNotFit(LauncherError):
    """The plan says that memory will not do."""

    exit_code = 3


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
    from launcher.plan.preview import preview

    backend = backend_of(profile)
    return backend, submission_of(recipe, backend.profile, preview(recipe, backend.profile), options)


def submission_of(recipe: Recipe, profile: Profile, ahead: "Preview", options: Options) -> Submission:
    """A submission that was planned for.

    Args:
        profile: As the backend reads it.

    Raises:
        InvalidInput: the run has no name or no place.
        DoesNotFit: the plan knows that memory will not do.
    """
    from launcher.plan.outlook import look_ahead
    from launcher.train.run_directory import new_run_id, run_store

    outlook = look_ahead(ahead.recipe, ahead.config, ahead.plan.batches, ahead.hardware)
    if outlook is not None and not outlook.fits:
        raise DoesNotFit(f"{recipe.name} does not fit these machines; see launcher plan with the same words")
    run_id = new_run_id(recipe) if options.run_id is None else options.run_id
    store = run_store(profile.storage, run_id)
    lead = None if outlook is None else outlook.saves.lead_s
    return Submission(
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
    submission = without_bad_hosts(submission)
    store = Store.open(submission.run_url)
    before = set(store.list())
    written = write_submission(submission, submission.may_change)
    try:
        return Submitted(written.run_id, written.run_url, backend.submit(written))
    except InvalidInput:  # refused after all, and nothing of it has begun
        for name in {recipe_name(written.recipe_number), profile_name(written.number)} - before:
            store.remove(name)
        raise

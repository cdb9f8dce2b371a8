"""What a profile of other machines would be handed: rendered as `launcher submit` renders it, and asked about."""

from textwrap import shorten

from launcher.backends.backend import backend_of
from launcher.backends.submit import submission_of
from launcher.cluster.profile import Profile
from launcher.dryrun.checklist import Checklist
from launcher.dryrun.reach import WITHIN_S, within
from launcher.errors import LauncherError
from launcher.plan.preview import Preview
from launcher.recipe.recipe import Recipe
from launcher.train.options import Options


def check_submission(recipe: Recipe, profile: Profile, ahead: Preview, checklist: Checklist) -> None:
    """Render the job, and let the cluster judge it where it can be asked from here.

    Raises:
        InvalidInput: it cannot be rendered, or the cluster refuses it.
        DoesNotFit: the plan knows that memory will not do.
    """
    checklist.begin("submit")
    backend = backend_of(profile)
    submission = submission_of(recipe, backend.profile, ahead, Options())
    lines = len(backend.render(submission).splitlines())
    try:
        within(WITHIN_S, lambda: backend.status(submission.run_id))
    except (LauncherError, TimeoutError) as error:
        checklist.done(f"{lines} lines rendered for {profile.backend}; see launcher submit --render")
        checklist.note("submit", f"the cluster was not asked: {shorten(str(error), 120)}")
        return
    backend.check(submission)
    checklist.done(f"{lines} lines rendered, and {profile.backend} would take them; see launcher submit --render")

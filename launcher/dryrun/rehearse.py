"""`launcher run --dry-run`: the way of a run from its recipe to an export, with a small model and a few rows, here."""

from rich.console import Console

from launcher.backends.backend import BACKENDS, backend_of
from launcher.cluster.machine import this_machine
from launcher.cluster.profile import Profile
from launcher.dryrun.base import dry_base
from launcher.dryrun.checklist import Checklist
from launcher.dryrun.data import check_rows
from launcher.dryrun.planned import plan_line, planned
from launcher.dryrun.reach import offline
from launcher.dryrun.rows import FewRows, few_rows
from launcher.dryrun.scratch import Scratch, ending_on_sigterm, scratch
from launcher.dryrun.shrink import WORKERS, Traits, shrink
from launcher.dryrun.small_run import export_small, run_small
from launcher.dryrun.submitting import check_submission
from launcher.dryrun.trackers import tracker_line
from launcher.errors import LauncherError
from launcher.model.quiet import quiet_libraries
from launcher.recipe.recipe import Recipe
from launcher.storage.retry import one_line
from launcher.train.environment import environment


def dry_run(recipe: Recipe, profile: Profile, console: Console) -> int:
    """Go through every stage and show each as it ends; returns 0, or the exit code of the first one that fails.

    Nothing of it stays; what cannot be removed is told.
    """
    checklist, code = Checklist(console), 0
    checklist.line(f"dry run of {recipe.name}: {WORKERS} workers on this machine's CPUs; nothing of it is kept")
    profile = backend_of(profile).profile if profile.backend in BACKENDS else profile
    with environment(offline(recipe)), ending_on_sigterm(), scratch(profile.storage) as scene:
        try:
            _stages(recipe, profile, scene, checklist)
        except LauncherError as error:
            checklist.failed(scene.with_logs(str(error)))
            code = error.exit_code
        finally:
            checklist.failed("cut off")  # where anything else was raised
            cleared = _clear(scene, checklist)
    code = code or (0 if cleared else LauncherError.exit_code)
    checklist.line(f"{'failed' if code else 'passed'} after {checklist.seconds:.0f} s")
    return code


def _stages(recipe: Recipe, profile: Profile, scene: Scratch, checklist: Checklist) -> None:
    quiet_libraries("cpu")
    machine = this_machine()
    checklist.begin("plan")
    ahead = planned(recipe, profile, machine)
    checklist.done(plan_line(ahead, profile))

    checklist.begin("rows")
    data, few = few_rows(recipe, scene.folder)
    checklist.done(_rows_line(few))
    for path, why in few.generated.items():
        checklist.note("rows", f"generated for {path}: {why}")

    checklist.begin("model")
    base = dry_base(recipe, ahead.config, few.train, scene.folder / "base")
    checklist.done(base.told)
    if base.tokenizer_made is not None:
        checklist.note("tokenizer", f"trained on the few rows: {base.tokenizer_made}")

    check_rows(ahead, few.seen, base, checklist)

    checklist.begin("trackers")
    checklist.done(tracker_line(recipe.tracking, profile))

    checklist.begin("storage")
    scene.open()
    checklist.done(f"{scene.root.location} takes writes, and does not write over what is there")

    if profile.backend in BACKENDS:
        check_submission(recipe, profile, ahead, checklist)

    made = shrink(ahead.recipe, Traits.of(ahead, base, machine))
    for subject, told in made.notes:
        checklist.note(subject, told)
    small = made.recipe.model_copy(update={"model": base.model, "data": data})
    store = run_small(Recipe.model_validate(small.model_dump()), profile, scene, checklist)
    export_small(small, store, scene.folder, checklist)


def _rows_line(few: FewRows) -> str:
    real = f"real ones of {', '.join(few.seen)}" if few.seen else "none are at hand"
    return f"{len(few.train)} of them; {real}"


def _clear(scene: Scratch, checklist: Checklist) -> bool:
    """Whether nothing is left in the storage root."""
    if not scene.opened:
        return True
    checklist.begin("clean up")
    try:
        checklist.done(scene.clear())
    except BaseException as error:  # every store's client has errors of its own, and Ctrl-C may be pressed again
        checklist.failed(f"left behind: {scene.storage} ({one_line(error)}); remove it by hand")
        if not isinstance(error, Exception):
            raise
        return False
    return True

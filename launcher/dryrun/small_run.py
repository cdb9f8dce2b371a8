"""The small run itself, by the code that runs any recipe: trained, killed, resumed, scored, exported."""

from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console

from launcher.checkpoint.entries import Close, Commit
from launcher.checkpoint.journal import Journal
from launcher.cluster.profile import Local, Profile
from launcher.cluster.retries import Retries
from launcher.dryrun.checklist import Checklist
from launcher.dryrun.scratch import RUN, Scratch
from launcher.dryrun.shrink import WORKERS
from launcher.dryrun.watch import Watch
from launcher.errors import LauncherError
from launcher.recipe.method import Full
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import MODEL
from launcher.storage.store import Store
from launcher.track.events import read_events


def run_small(recipe: Recipe, profile: Profile, scene: Scratch, checklist: Checklist) -> Store:
    """Run it to its end, with a worker killed on the way; returns the store of its run directory.

    Raises:
        LauncherError: it does not come to its end, or not by the way that was meant.
        KeyboardInterrupt: it was ended from outside.
    """
    from launcher.train.options import Options
    from launcher.train.run import run_recipe
    from launcher.train.run_directory import run_store

    here = Local(
        backend="local",
        workers=WORKERS,
        oversubscribe=True,
        accelerator="cpu",
        storage=scene.storage,
        cache_folder=str(scene.folder / "cache"),
        retries=Retries(crashes=1),  # the one that is meant
        environment=profile.environment if isinstance(profile, Local) else {},
    )
    store = run_store(here.storage, RUN)
    watch = Watch(store, checklist)
    # Ray prints on stdout what it thinks of a worker that dies
    with (scene.folder / "run.log").open("w") as log, redirect_stdout(log), watch.watching():
        run_recipe(recipe, here, Options(run_id=RUN), Console(file=log, width=120))
    entries = Journal(store).entries()
    if not any(isinstance(each, Commit) and each.checkpoint == MODEL for each in entries):
        raise KeyboardInterrupt  # it was stopped, and told so in its log
    if not watch.complete:
        causes = [each.cause for each in entries if isinstance(each, Close) and each.ended != "done"]
        raise LauncherError(causes[0] if causes else "no commit came in time for a worker to be killed")
    checklist.done(_scores(store))
    return store


def _scores(store: Store) -> str:
    """The test rows' metrics of base and tuned model."""
    told = next(event for event in read_events(store) if event["kind"] == "result")
    return "; ".join(
        f"{name} {told['base'][name]:.3f} before, {told['tuned'][name]:.3f} after" for name in told["tuned"]
    )


def export_small(recipe: Recipe, store: Store, folder: Path, checklist: Checklist) -> None:
    """Store the trained model for other libraries, an adapter merged too.

    Raises:
        NotAsWritten: it is not what the run computes.
    """
    from launcher.export.export import Wanted, export

    checklist.begin("export")
    merges = (False,) if isinstance(recipe.method, Full) else (False, True)
    made = [
        export(Wanted(store.location, str(folder / f"export-{merge}"), merge=merge), lambda _: None) for merge in merges
    ]
    checklist.done("; ".join(f"{each.kind}, {each.size / 1e6:.2f} MB" for each in made) + "; loaded back and compared")

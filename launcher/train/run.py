"""`launcher run`: a recipe, from its rows to its results."""

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from launcher.cluster.common import ManyNodes
from launcher.cluster.profile import Profile
from launcher.errors import EXIT_AGAIN
from launcher.interrupt.inbox import Inbox
from launcher.interrupt.signals import Ended, Signals, unwrapped
from launcher.model.liger import check_liger
from launcher.plan.plan import plan_lines
from launcher.plan.preview import Preview, preview
from launcher.recipe.method import QLora
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store
from launcher.track.available import check_trackers
from launcher.train.ahead import imports_ahead
from launcher.train.attempts import run_attempts
from launcher.train.cluster import Cluster, cluster_for
from launcher.train.console import RunConsole
from launcher.train.datasets import Preparation, prepared_sets
from launcher.train.job import CacheFolder
from launcher.train.making_job import Party
from launcher.train.options import Options
from launcher.train.prepare import prepared
from launcher.train.ready_run import Run
from launcher.train.run_directory import check_run, new_run_id, run_store


def run_recipe(recipe: Recipe, profile: Profile, options: Options, console: Console) -> int:
    """Train, evaluate and show; returns the exit code. The run directory is not written before the input is known to
    be right.

    Raises:
        LauncherError: the input is wrong, the run is taken, or its last attempt failed.
    """
    inbox = Inbox()
    signals = Signals(inbox, profile.grace_seconds)
    with RunConsole(console) as screen, signals.caught():
        try:
            check_trackers(recipe.tracking)
            ahead = preview(recipe, profile)
            check_liger(recipe.training.use_liger_kernel)
            run_id = new_run_id(recipe) if options.run_id is None else options.run_id
            store = run_store(profile.storage, run_id)
            screen.line("\n".join(plan_lines(ahead.plan)))
            with ExitStack() as ray:
                cluster = _own_cluster(profile, ahead, store, screen, ray)
                screen.wait("reading the model")
                with prepared(ahead.recipe, ahead) as ready:
                    check_run(store, recipe, options.may_change)
                    with unwrapped():
                        run = Run(recipe, profile, options, ahead, ready, store, screen, inbox, signals)
                        return _run(run, ray, cluster)
        except Ended:
            notice = inbox.current()
            assert notice is not None
            screen.line(f"interrupted before the run was opened ({notice.why}): give the same command again")
            return EXIT_AGAIN


def _own_cluster(profile: Profile, ahead: Preview, store: Store, screen: RunConsole, ray: ExitStack) -> Cluster | None:
    """One on this machine is started before the model is read, as that takes as long. Others may have to be waited for,
    and a mistake in the recipe is told first.
    """
    if isinstance(profile, ManyNodes):
        return None
    placement = ahead.plan.placement
    screen.wait("starting Ray")
    quantised = isinstance(ahead.recipe.method, QLora)
    with unwrapped(), imports_ahead(placement.device, quantised=quantised):
        made = cluster_for(profile, placement, store.location, screen.line, quantised=quantised)
        return ray.enter_context(made)


def _run(run: Run, ray: ExitStack, cluster: Cluster | None) -> int:
    placement = run.ahead.plan.placement
    if cluster is None:
        run.screen.wait("waiting for the cluster")
        cluster = ray.enter_context(cluster_for(run.profile, placement, run.store.location, run.screen.line))
    how = _preparation(run)
    sets = prepared_sets(how, run.ahead.dataset)
    party = Party(how, sets, cluster, placement)
    return run_attempts(run, party.on(cluster) if cluster.nodes else party, ray.close)


def _preparation(run: Run) -> Preparation:
    profile, ready = run.profile, run.ready
    cache = CacheFolder(str(Path(profile.cache_folder).expanduser()), int(profile.cache_gib * 2**30))
    return Preparation(ready.recipe, ready.tokenizer, run.ahead.plan.placement, profile.storage, cache, run.screen)

"""`launcher run`: a recipe on this machine, from its rows to its results."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from launcher.checkpoint.journal import Attempt
from launcher.cluster.profile import Local
from launcher.data.fields import label_names
from launcher.errors import InvalidInput, LauncherError
from launcher.evaluate.outcome import classical_line, classify, completion_metrics, store_metrics, store_predictions
from launcher.evaluate.score import Scores
from launcher.evaluate.table import BASE, CLASSICAL, TUNED
from launcher.plan.flops import flops_per_token
from launcher.plan.plan import batch_lines, plan_lines
from launcher.plan.preview import Preview, preview
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE_SCORES, MODEL, tuned_scores
from launcher.storage.store import Store
from launcher.track.available import check_trackers
from launcher.train.console import RunConsole
from launcher.train.datasets import Preparation, TrainingData, training_data
from launcher.train.interrupts import interrupts
from launcher.train.job import CacheFolder, Job
from launcher.train.prepare import Prepared, place_base, prepared
from launcher.train.ray_local import local_ray
from launcher.train.run_directory import check_run, new_run_id, open_run, run_store

CANCELLED = 130
"""Exit code of a run that Ctrl-C ended, as shells count it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is ready to start: known to be right, and not yet written anywhere."""

    recipe: Recipe
    profile: Local
    ahead: Preview
    ready: Prepared
    store: Store
    screen: RunConsole


def run_recipe(recipe: Recipe, profile: Local, run_id: str | None, console: Console) -> int:
    """Train, evaluate and show; returns the exit code. The run directory is not written before the input is known to
    be right.

    Raises:
        LauncherError: the input is wrong, the run is taken, or the attempt failed.
    """
    check_trackers(recipe.tracking)
    ahead = preview(recipe, profile)
    store = run_store(profile.storage, new_run_id(recipe) if run_id is None else run_id)
    with RunConsole(console) as screen, interrupts():
        screen.line("\n".join(plan_lines(ahead.plan)))
        check_run(store, recipe)
        screen.wait("reading the model")
        with prepared(recipe, ahead) as ready:
            return _run(Run(recipe, profile, ahead, ready, store, screen))


def _run(run: Run) -> int:
    with ExitStack() as ray:
        run.screen.wait("starting Ray")
        scratch = ray.enter_context(local_ray(run.ahead.plan.placement))
        data = _training_data(run)
        attempt = open_run(run.store, run.recipe)
        try:
            _train(run, attempt, data, scratch)
            ray.close()
            _show_results(run, attempt)
        except (KeyboardInterrupt, SystemExit):  # while Ray starts, SIGTERM meets a handler of Ray's, which exits
            attempt.close("cancelled", CANCELLED)
            run.screen.line(f"cancelled; what was written is in {run.store.location}")
            return CANCELLED
        except Exception as error:
            code = error.exit_code if isinstance(error, LauncherError) else LauncherError.exit_code
            attempt.close(f"{type(error).__name__}: {error}", code)
            raise
    attempt.close("done", 0)
    return 0


def _training_data(run: Run) -> TrainingData:
    """Prepared data sets, and the steps that they make."""
    plan, recipe, screen = run.ahead.plan, run.ready.recipe, run.screen
    how = Preparation(recipe, run.ready.tokenizer, plan.placement, run.profile.storage, _cache(run.profile), run.screen)
    data = training_data(how, run.ahead.dataset)
    if data.batches != plan.batches:
        screen.line("\n".join(batch_lines(data.batches)))
    return data


def _cache(profile: Local) -> CacheFolder:
    return CacheFolder(str(Path(profile.cache_folder).expanduser()), int(profile.cache_gib * 2**30))


def _train(run: Run, attempt: Attempt, data: TrainingData, scratch: Path) -> None:
    """One attempt in the Ray cluster at hand."""
    from launcher.train.attempt import run_attempt

    plan = run.ahead.plan
    flops = None
    if plan.parameters is not None:
        flops = flops_per_token(run.ahead.config, plan.parameters, run.recipe.method, data.mean_tokens)
    job = Job(
        recipe=run.ready.recipe,
        run_url=run.store.location,
        attempt=attempt.number,
        nonce=attempt.nonce,
        base=place_base(run.recipe, run.ready, run.store),
        training_sets=data.sets,
        cache=_cache(run.profile),
        batches=data.batches,
        placement=plan.placement,
        flops_per_token=flops,
    )
    run_attempt(job, run.ready.judged, scratch, run.screen)


def _show_results(run: Run, attempt: Attempt) -> None:
    """Store and print what the scores say, and where everything is."""
    recipe, store, screen, dataset = run.recipe, run.store, run.screen, run.ahead.dataset
    base: Scores = json.loads(store.read(BASE_SCORES))
    tuned: Scores = json.loads(store.read(tuned_scores(attempt.number)))
    if label_names(recipe.task) is None:
        for name, scores in ((BASE, base), (TUNED, tuned)):
            metrics = completion_metrics(run.ready.judged.test.rows, scores)
            screen.line(f"{name:<9} loss {metrics.loss:.4f}, perplexity {metrics.perplexity:.2f}")
    else:
        screen.wait("fitting TF-IDF and logistic regression")
        results = classify(recipe, dataset, base, tuned)
        if recipe.evaluation.classical:
            try:
                results[CLASSICAL] = classical_line(recipe, dataset)
            except InvalidInput as error:  # the model is trained: what cannot be compared is told, not lost
                screen.line(str(error))
        store_metrics(store, results)
        store_predictions(store, recipe, dataset, base, tuned)
        screen.table(results)
    screen.line(f"run       {store.location}")
    screen.line(f"model     {store.location}/{MODEL}")
    screen.line(f"ask it    launcher predict {store.location} TEXT")

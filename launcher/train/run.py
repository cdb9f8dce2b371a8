"""`launcher run`: a recipe on this machine, from its rows to its results."""

import json
from dataclasses import dataclass

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
from launcher.train.interrupts import interrupts
from launcher.train.job import Job
from launcher.train.prepare import Prepared, place_base, prepared
from launcher.train.ray_local import local_ray
from launcher.train.run_directory import new_run_id, open_run, run_store

CANCELLED = 130
"""Exit code of a run that Ctrl-C ended, as shells count it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is ready to start: known to be right, and not yet written anywhere."""

    recipe: Recipe
    ahead: Preview
    ready: Prepared
    store: Store
    screen: RunConsole


def run_recipe(recipe: Recipe, profile: Local, run_id: str | None, console: Console) -> int:
    """Train, evaluate and show; returns the exit code. Nothing is written before the input is known to be right.

    Raises:
        LauncherError: the input is wrong, the run is taken, or the attempt failed.
    """
    check_trackers(recipe.tracking)
    ahead = preview(recipe, profile)
    store = run_store(profile.storage, new_run_id(recipe) if run_id is None else run_id)
    with RunConsole(console) as screen, interrupts():
        screen.line("\n".join(plan_lines(ahead.plan)))
        screen.wait("reading the model and encoding the rows")
        with prepared(recipe, ahead) as ready:
            if cut := ready.data.train.truncated:
                screen.line(f"cut       {cut:,} training rows are longer than {recipe.training.max_length} tokens")
            if ready.masked:
                screen.line(f"left out  {ready.masked:,} training rows, as cutting them leaves no label")
            if len(ready.data.train) != ahead.plan.batches.rows:
                screen.line(f"texts     {len(ready.data.train):,} out of these rows")
                screen.line("\n".join(batch_lines(ready.batches)))
            return _attempt(Run(recipe, ahead, ready, store, screen))


def _attempt(run: Run) -> int:
    attempt = open_run(run.store, run.recipe)
    try:
        _train(run, attempt)
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


def _train(run: Run, attempt: Attempt) -> None:
    """One attempt on a Ray cluster of its own."""
    plan, data = run.ahead.plan, run.ready.data
    flops = None
    if plan.parameters is not None:
        mean_length = float(data.train.lengths.mean())
        flops = flops_per_token(run.ahead.config, plan.parameters, run.recipe.method, mean_length)
    job = Job(
        recipe=run.ready.recipe,
        run_url=run.store.location,
        attempt=attempt.number,
        nonce=attempt.nonce,
        base=place_base(run.recipe, run.ready, run.store),
        batches=run.ready.batches,
        placement=plan.placement,
        flops_per_token=flops,
    )
    run.screen.wait("starting Ray")
    with local_ray(plan.placement) as scratch:
        from launcher.train.attempt import run_attempt

        run_attempt(job, data, scratch, run.screen)


def _show_results(run: Run, attempt: Attempt) -> None:
    """Store and print what the scores say, and where everything is."""
    recipe, store, screen, dataset = run.recipe, run.store, run.screen, run.ahead.dataset
    base: Scores = json.loads(store.read(BASE_SCORES))
    tuned: Scores = json.loads(store.read(tuned_scores(attempt.number)))
    if label_names(recipe.task) is None:
        for name, scores in ((BASE, base), (TUNED, tuned)):
            metrics = completion_metrics(run.ready.data.test.rows, scores)
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

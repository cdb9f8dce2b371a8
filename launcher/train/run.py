"""`launcher run`: a recipe on this machine, from its rows to its results."""

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from launcher.checkpoint.contents import Origin
from launcher.checkpoint.heartbeat import Heartbeat
from launcher.checkpoint.journal import Attempt
from launcher.checkpoint.retention import collect
from launcher.cluster.profile import Local
from launcher.data.fields import label_names
from launcher.data.prepared.opened import PreparedSet
from launcher.errors import InvalidInput, LauncherError
from launcher.evaluate.outcome import classical_line, classify, completion_metrics, store_metrics, store_predictions
from launcher.evaluate.score import Scores
from launcher.evaluate.table import BASE, CLASSICAL, TUNED
from launcher.model.digest import base_digest
from launcher.plan.flops import flops_per_token
from launcher.plan.plan import batch_lines, plan_lines
from launcher.plan.preview import Preview, preview
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE_SCORES, MODEL, tuned_scores
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from launcher.track.available import check_trackers
from launcher.train.console import RunConsole
from launcher.train.datasets import Preparation, TrainingData, prepared_sets, training_data
from launcher.train.interrupts import interrupts
from launcher.train.job import CacheFolder, Job
from launcher.train.prepare import Prepared, place_base, prepared
from launcher.train.ray_local import local_ray
from launcher.train.resuming import resume_point
from launcher.train.run_directory import check_run, new_run_id, open_run, run_store

CANCELLED = 130
"""Exit code of a run that Ctrl-C ended, as shells count it."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is ready to start: known to be right, and not yet written anywhere."""

    recipe: Recipe
    profile: Local
    options: "Options"
    ahead: Preview
    ready: Prepared
    store: Store
    screen: RunConsole


@dataclass(frozen=True, slots=True)
class Options:
    """What a command line says besides recipe and profile."""

    run_id: str | None = None
    takeover: bool = False
    may_change: tuple[str, ...] = ()
    """Fields of the recipe that a run which goes on may have changed."""


def run_recipe(recipe: Recipe, profile: Local, options: Options, console: Console) -> int:
    """Train, evaluate and show; returns the exit code. The run directory is not written before the input is known to
    be right.

    Raises:
        LauncherError: the input is wrong, the run is taken, or the attempt failed.
    """
    check_trackers(recipe.tracking)
    ahead = preview(recipe, profile)
    run_id = new_run_id(recipe) if options.run_id is None else options.run_id
    store = run_store(profile.storage, run_id)
    with RunConsole(console) as screen, interrupts():
        screen.line("\n".join(plan_lines(ahead.plan)))
        screen.wait("reading the model")
        with prepared(recipe, ahead) as ready:
            check_run(store, recipe, options.may_change)
            return _run(Run(recipe, profile, options, ahead, ready, store, screen))


def _run(run: Run) -> int:
    with ExitStack() as ray:
        run.screen.wait("starting Ray")
        scratch = ray.enter_context(local_ray(run.ahead.plan.placement))
        how = _preparation(run)
        sets = prepared_sets(how, run.ahead.dataset)
        attempt = open_run(run.store, run.recipe, run.options.may_change, takeover=run.options.takeover)
        try:
            with Heartbeat(run.store, attempt.number, run.screen.line):
                _train(run, attempt, how, sets, scratch)
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


def _preparation(run: Run) -> Preparation:
    profile, ready = run.profile, run.ready
    cache = CacheFolder(str(Path(profile.cache_folder).expanduser()), int(profile.cache_gib * 2**30))
    return Preparation(ready.recipe, ready.tokenizer, run.ahead.plan.placement, profile.storage, cache, run.screen)


def _train(run: Run, attempt: Attempt, how: Preparation, sets: list[PreparedSet], scratch: Path) -> None:
    """One attempt in the Ray cluster at hand, from the newest commit that verifies."""
    from launcher.train.attempt import run_attempt

    store, screen, plan = run.store, run.screen, run.ahead.plan
    collect(attempt, store, Retry())
    kept = Path(how.cache.path, "checkpoints", store.location.rsplit("/", 1)[-1])
    resume = resume_point(store, run.recipe, kept, screen.line, run.options.may_change)
    data = training_data(how, run.ahead.dataset, sets, None if resume is None else resume.progress.global_batch)
    if data.batches != plan.batches:
        screen.line("\n".join(batch_lines(data.batches)))
    if resume is not None:
        screen.line(f"going on  after step {resume.progress.step:,}, from {resume.commit.checkpoint}")
    flops = None
    if plan.parameters is not None:
        flops = flops_per_token(run.ahead.config, plan.parameters, run.recipe.method, data.mean_tokens)
    job = Job(
        recipe=run.ready.recipe,
        run_url=store.location,
        attempt=attempt.number,
        nonce=attempt.nonce,
        base=place_base(run.recipe, run.ready, store),
        training_sets=data.sets,
        cache=how.cache,
        batches=data.batches,
        placement=plan.placement,
        flops_per_token=flops,
        origin=_origin(run, data),
        failure_s=run.profile.hours_between_failures * 3600,
        resume=resume,
    )
    run_attempt(job, run.ready.judged, scratch, screen)


def _origin(run: Run, data: TrainingData) -> Origin:
    """What the checkpoints of this run say that it is."""
    recipe = run.recipe
    named = recipe.model.model_dump(mode="json", include={"name_or_path", "revision"})
    return Origin(
        run=run.store.location.rsplit("/", 1)[-1],
        recipe=recipe.model_dump(mode="json"),
        recipe_digest=recipe.digest,
        data={each.url: {"manifest": each.manifest, **asdict(each.packing)} for each in data.sets},
        base={**named, "digest": base_digest(run.ready.folder)},
    )


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

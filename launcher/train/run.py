"""`launcher run`: a recipe on this machine, from its rows to its results."""

import json
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import FrameType

from rich.console import Console

from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Attempt, Journal
from launcher.cluster.profile import Local
from launcher.data.dataset import label_names
from launcher.errors import InvalidInput, LauncherError
from launcher.evaluate.outcome import classify, completion_metrics, store_metrics, store_predictions
from launcher.evaluate.score import Scores
from launcher.evaluate.table import BASE, TUNED
from launcher.plan.flops import flops_per_token
from launcher.plan.plan import plan_lines
from launcher.plan.preview import Preview, preview
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE_SCORES, MODEL, RECIPE, tuned_scores
from launcher.storage.store import AlreadyExists, Store
from launcher.train.console import RunConsole
from launcher.train.job import Job
from launcher.train.prepare import Prepared, place_base, prepared
from launcher.train.ray_local import local_ray

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
    ahead = preview(recipe, profile)
    store = Store.open(f"{profile.storage.rstrip('/')}/{run_id or new_run_id(recipe)}")
    with RunConsole(console) as screen, _interrupts():
        screen.line("\n".join(plan_lines(ahead.plan)))
        screen.wait("reading the model and encoding the rows")
        with prepared(recipe, ahead) as ready:
            return _attempt(Run(recipe, ahead, ready, store, screen))


def new_run_id(recipe: Recipe) -> str:
    """A name that no other run has."""
    return f"{recipe.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"


def open_run(store: Store, recipe: Recipe) -> Attempt:
    """Take the run directory for a new attempt.

    Raises:
        InvalidInput: the storage cannot be written, or the run is another recipe's, or has ended.
        RunOwned: another attempt has it.
    """
    store.check_writable()
    journal = Journal(store)
    if any(isinstance(entry, Commit) for entry in journal.entries()):
        raise InvalidInput(f"--run-id: {store.location} has ended with a model; give another id, or leave it out")
    content = f"# digest {recipe.digest}\n{resolved_yaml(recipe)}".encode()
    try:
        store.create(RECIPE, content)
    except AlreadyExists:
        if store.read(RECIPE) != content:
            raise InvalidInput(f"--run-id: {store.location} holds a run of another recipe; give another id") from None
    return journal.open_attempt("local", str(os.getpid()), [socket.gethostname()])


def _attempt(run: Run) -> int:
    attempt = open_run(run.store, run.recipe)
    try:
        _train(run, attempt)
        _show_results(run, attempt)
    except KeyboardInterrupt:
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
        mean_length = sum(len(example.input_ids) for example in data.train) / len(data.train)
        flops = flops_per_token(run.ahead.config, plan.parameters, run.recipe.method, mean_length)
    job = Job(
        recipe=run.recipe,
        run_url=run.store.location,
        attempt=attempt.number,
        nonce=attempt.nonce,
        base=place_base(run.recipe, run.ready, run.store),
        batches=plan.batches,
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
            metrics = completion_metrics(run.ready.data.test, scores)
            screen.line(f"{name:<9} loss {metrics.loss:.4f}, perplexity {metrics.perplexity:.2f}")
    else:
        screen.wait("fitting TF-IDF and logistic regression")
        results = classify(recipe, dataset, base, tuned)
        store_metrics(store, results)
        store_predictions(store, recipe, dataset, base, tuned)
        screen.table(results)
    screen.line(f"run       {store.location}")
    screen.line(f"model     {store.location}/{MODEL}")
    screen.line(f"ask it    launcher predict {store.location} TEXT")


@contextmanager
def _interrupts() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

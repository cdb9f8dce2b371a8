"""Taking a run directory for a new attempt."""

import re
import socket
import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import yaml

from launcher.checkpoint.entries import live_commits
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.recipe_change import allowed, differences
from launcher.errors import InvalidInput
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import MODEL, RECIPE
from launcher.storage.retry import Retry
from launcher.storage.store import AlreadyExists, Store
from launcher.train.takeover import gone, job_id, scheduler

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


def run_store(storage: str, run_id: str) -> Store:
    """The store of a run's directory; nothing is read or written yet.

    Raises:
        InvalidInput: the id is no single name, or the storage does not outlive this process.
    """
    if not RUN_ID.fullmatch(run_id):
        raise InvalidInput(f"--run-id: {run_id!r} is no name; use letters, digits, dot, dash and underscore")
    if not storage:
        raise InvalidInput("cluster.storage: it is empty; give a path or a bucket")
    if storage.startswith("memory:"):
        raise InvalidInput(f"cluster.storage: {storage} ends with the process; give a path or a bucket")
    return Store.open(f"{storage.rstrip('/')}/{run_id}")


def new_run_id(recipe: Recipe) -> str:
    """A name that no other run has."""
    return f"{recipe.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"


def check_run(store: Store, recipe: Recipe, may_change: Collection[str] = ()) -> None:
    """Make sure that a run directory can be taken; nothing stays written.

    Args:
        may_change: Fields of the recipe that may differ from what the run began with.

    Raises:
        InvalidInput: the storage cannot be written, or the run is another recipe's, or has ended.
    """
    store.check_writable()
    if any(commit.checkpoint == MODEL for commit in live_commits(Journal(store).entries())):
        raise InvalidInput(f"--run-id: {store.location} has ended with a model; give another id, or leave it out")
    if store.exists(RECIPE):
        _check_recipe(store, recipe, may_change)


def open_run(
    store: Store,
    recipe: Recipe,
    may_change: Collection[str] = (),
    *,
    takeover: bool = False,
    hosts: Sequence[str] = (),
    backend: str = "local",
) -> Attempt:
    """Take the run directory for a new attempt; the recipe that it began with stays there.

    Args:
        takeover: The user says that the attempt before has ended.
        hosts: Machines that train, where those are others than this one.
        backend: The profile's.

    Raises:
        InvalidInput: the run is another recipe's.
        RunOwned: another attempt has it.
    """
    write_recipe(store, recipe, may_change)
    where = hosts or [socket.gethostname()]
    known = gone(store, takeover=takeover)
    return Journal(store, Retry()).open_attempt(scheduler(backend), job_id(), where, known, over_lost=takeover)


def write_recipe(store: Store, recipe: Recipe, may_change: Collection[str] = ()) -> None:
    """Put the recipe into a run directory that has none yet.

    Raises:
        InvalidInput: the run is another recipe's.
    """
    try:
        store.create(RECIPE, recipe_content(recipe))
    except AlreadyExists:
        _check_recipe(store, recipe, may_change)


def recipe_content(recipe: Recipe) -> bytes:
    """As a run directory has it."""
    return f"# digest {recipe.digest}\n{resolved_yaml(recipe)}".encode()


def _check_recipe(store: Store, recipe: Recipe, may_change: Collection[str]) -> None:
    content = store.read(RECIPE)
    if content == recipe_content(recipe):
        return
    found = list(differences(yaml.safe_load(content), recipe.model_dump(mode="json")))
    refused = [line for path, line in found if not allowed(path, may_change)]
    if refused or not found:
        told = "; ".join(refused) or "it is another launcher's"
        raise InvalidInput(
            f"--run-id: {store.location} holds a run of another recipe ({told}); give another id, or name what may "
            "change: --allow-recipe-change FIELD"
        )

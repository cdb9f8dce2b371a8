"""Taking a run directory for a new attempt."""

import os
import re
import socket
import uuid
from datetime import UTC, datetime

from launcher.checkpoint.entries import live_commits
from launcher.checkpoint.journal import Attempt, Journal
from launcher.errors import InvalidInput
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import MODEL, RECIPE
from launcher.storage.store import AlreadyExists, Store

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


def check_run(store: Store, recipe: Recipe) -> None:
    """Make sure that a run directory can be taken; nothing stays written.

    Raises:
        InvalidInput: the storage cannot be written, or the run is another recipe's, or has ended.
    """
    store.check_writable()
    if any(commit.checkpoint == MODEL for commit in live_commits(Journal(store).entries())):
        raise InvalidInput(f"--run-id: {store.location} has ended with a model; give another id, or leave it out")
    if store.exists(RECIPE) and store.read(RECIPE) != _content(recipe):
        raise _another(store)


def open_run(store: Store, recipe: Recipe) -> Attempt:
    """Take the run directory for a new attempt.

    Raises:
        InvalidInput: the run is another recipe's.
        RunOwned: another attempt has it.
    """
    try:
        store.create(RECIPE, _content(recipe))
    except AlreadyExists:
        if store.read(RECIPE) != _content(recipe):
            raise _another(store) from None
    return Journal(store).open_attempt("local", str(os.getpid()), [socket.gethostname()])


def _content(recipe: Recipe) -> bytes:
    return f"# digest {recipe.digest}\n{resolved_yaml(recipe)}".encode()


def _another(store: Store) -> InvalidInput:
    return InvalidInput(f"--run-id: {store.location} holds a run of another recipe; give another id")

"""A finished run's model, loaded from its run directory."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import yaml

from launcher.checkpoint.entries import live_commits
from launcher.checkpoint.journal import Journal
from launcher.errors import InvalidInput
from launcher.model.adapt import TrainableModel, adapt, base_only
from launcher.model.fetch import fetch_model
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE, MODEL, RECIPE
from launcher.storage.runs import find_run
from launcher.storage.store import Store

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Trained:
    """Base and tuned model of a run; with adapters both are one model, switched by `as_base`."""

    recipe: Recipe
    tokenizer: "PreTrainedTokenizerBase"
    base: TrainableModel
    tuned: TrainableModel
    as_base: Callable[[TrainableModel], AbstractContextManager[None]]
    device: torch.device


@contextmanager
def load_trained(run: str) -> Iterator[Trained]:
    """Load the model that a run ended with.

    Args:
        run: the run directory as path or URL, or a run's id under `runs/`.

    Raises:
        InvalidInput: there is no such run, or it has no model yet.
    """
    store = find_run(run)
    recipe = Recipe.model_validate(yaml.safe_load(store.read(RECIPE)))
    commits = [commit for commit in live_commits(Journal(store).entries()) if commit.checkpoint == MODEL]
    if not commits:
        raise InvalidInput(f"{store.location}: the run has committed no model; see its journal/ and logs/")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with _folder(store, commits[-1].checkpoint) as model_folder, _base_folder(store, recipe) as base_folder:
        tokenizer = load_tokenizer(model_folder, recipe.model)
        base = load_model(recipe, base_folder, tokenizer, device)
        if isinstance(recipe.method, Full):
            tuned: TrainableModel = load_model(recipe, model_folder, tokenizer, device)
            yield Trained(recipe, tokenizer, base, tuned, lambda _: nullcontext(), device)
        else:
            tuned = adapt(base, recipe, adapter=str(model_folder)).eval()
            yield Trained(recipe, tokenizer, tuned, tuned, base_only, device)


@contextmanager
def _folder(store: Store, name: str) -> Iterator[Path]:
    local = store.local_path(name)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="ll-run-") as folder:
        store.download(name, Path(folder))
        yield Path(folder)


@contextmanager
def _base_folder(store: Store, recipe: Recipe) -> Iterator[Path]:
    if isinstance(recipe.model, Pretrained):
        yield fetch_model(recipe.model)
    else:
        with _folder(store, BASE) as folder:
            yield folder

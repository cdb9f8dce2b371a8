"""The models to ask: base and tuned model of a run, or one that lies somewhere in Hugging Face layout."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from launcher.errors import InvalidInput
from launcher.evaluate.run_weights import Tell, run_weights
from launcher.evaluate.table import BASE, TUNED
from launcher.model.adapt import TrainableModel, adapt, base_only
from launcher.model.fetch import ADAPTER, fetch_model
from launcher.model.head_loss import loss_in_head
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.storage.runs import find_run

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MODEL = "model"
"""What a model is called that stands alone."""


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    model: TrainableModel
    mode: Callable[[], AbstractContextManager[None]] = nullcontext
    """To be entered while it is asked: with adapters, base and tuned model are one."""


@dataclass(frozen=True, slots=True)
class Field:
    """Who is asked, and what they share."""

    recipe: Recipe
    tokenizer: "PreTrainedTokenizerBase"
    device: torch.device
    contenders: tuple[Contender, ...]


@contextmanager
def of_run(run: str, tell: Tell, *, step: int | None = None, recipe: Recipe | None = None) -> Iterator[Field]:
    """Base and tuned model of a run: the one that it ended with, or has come to.

    Args:
        run: The run directory as path or URL, or a run's id under `runs/`.
        tell: Gets a line where the run has not ended.
        step: Of a commit, to be asked instead.
        recipe: The run's, perhaps with other rows; by default as the run has it.

    Raises:
        InvalidInput: there is no such run or commit, or it has committed nothing yet.
    """
    device = _device()
    with run_weights(find_run(run), tell, step) as weights:
        tuned = _scored_in_head(weights.tuned(device))
        if isinstance(weights.recipe.method, Full):
            base = Contender(BASE, _scored_in_head(weights.base(device)))
        else:
            base = Contender(BASE, tuned, partial(base_only, tuned))
        yield Field(recipe or weights.recipe, weights.tokenizer, device, (base, Contender(TUNED, tuned)))


@contextmanager
def of_model(place: str, recipe: Recipe) -> Iterator[Field]:
    """A whole model as it is stored, or an adapter beside its base, which is the recipe's.

    Args:
        place: Folder, URL or hub id, as `model.name_or_path` takes it.
        recipe: Says what it is asked, and of an adapter what it stands on and how that is loaded.

    Raises:
        InvalidInput: it cannot be had, or is an adapter and the recipe's base or method does not go with it.
    """
    device = _device()
    folder = fetch_model(Pretrained(kind="pretrained", name_or_path=place), adapters=True)
    tokenizer = load_tokenizer(folder, recipe.model)
    if not (folder / ADAPTER).exists():
        whole = _scored_in_head(load_model(recipe, folder, tokenizer, device, as_stored=True))
        yield Field(recipe, tokenizer, device, (Contender(MODEL, whole),))
        return
    if isinstance(recipe.method, Full) or not isinstance(recipe.model, Pretrained):
        raise InvalidInput(f"{place} is an adapter: give a recipe of method lora or qlora that names its base")
    below = load_model(recipe, fetch_model(recipe.model), tokenizer, device)
    model = _scored_in_head(adapt(below, recipe, adapter=str(folder)).eval())
    yield Field(recipe, tokenizer, device, (Contender(BASE, model, partial(base_only, model)), Contender(TUNED, model)))


def _scored_in_head(model: TrainableModel) -> TrainableModel:
    """As a run scores: without all logits at a time, where its head can do without."""
    loss_in_head(model)
    return model


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")

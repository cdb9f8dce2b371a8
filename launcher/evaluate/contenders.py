"""The models to evaluate: base and tuned model of a run, or one that lies somewhere in Hugging Face layout."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from launcher.errors import InvalidInput
from launcher.evaluate.run_weights import Tell
from launcher.evaluate.table import BASE, TUNED
from launcher.evaluate.trained import load_trained
from launcher.model.adapt import TrainableModel, adapt, base_only
from launcher.model.fetch import fetch_model
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MODEL = "model"
"""What a model is called that stands alone."""


@dataclass(frozen=True, slots=True)
class Contender:
    name: str
    model: TrainableModel
    mode: Callable[[], AbstractContextManager[None]]
    """To be entered while it is asked: with adapters, base and tuned model are one."""


@dataclass(frozen=True, slots=True)
class Field:
    """Who is evaluated, and what they share."""

    recipe: Recipe
    tokenizer: "PreTrainedTokenizerBase"
    device: torch.device
    contenders: tuple[Contender, ...]


@contextmanager
def of_run(run: str, recipe: Recipe, tell: Tell) -> Iterator[Field]:
    """Base and tuned model of a run.

    Args:
        recipe: The run's, perhaps with other rows.

    Raises:
        InvalidInput: there is no such run, or it has committed nothing yet.
    """
    with load_trained(run, tell) as trained:
        base = Contender(BASE, trained.base, partial(trained.as_base, trained.base))
        yield Field(recipe, trained.tokenizer, trained.device, (base, Contender(TUNED, trained.tuned, nullcontext)))


@contextmanager
def of_model(place: str, recipe: Recipe) -> Iterator[Field]:
    """A whole model, or an adapter beside its base, which is the recipe's.

    Args:
        place: Folder, URL or hub id, as `model.name_or_path` takes it.
        recipe: Says how to load it, what it is asked, and of an adapter what it stands on.

    Raises:
        InvalidInput: it cannot be had, or is an adapter and the recipe's base or method does not go with it.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder = fetch_model(Pretrained(kind="pretrained", name_or_path=place))
    tokenizer = load_tokenizer(folder, recipe.model)
    if not (folder / "adapter_config.json").exists():
        whole = load_model(recipe, folder, tokenizer, device)
        yield Field(recipe, tokenizer, device, (Contender(MODEL, whole, nullcontext),))
        return
    if isinstance(recipe.method, Full) or not isinstance(recipe.model, Pretrained):
        raise InvalidInput(f"{place} is an adapter: give a recipe of method lora or qlora that names its base")
    model = adapt(load_model(recipe, fetch_model(recipe.model), tokenizer, device), recipe, adapter=str(folder)).eval()
    base = Contender(BASE, model, partial(base_only, model))
    yield Field(recipe, tokenizer, device, (base, Contender(TUNED, model, nullcontext)))

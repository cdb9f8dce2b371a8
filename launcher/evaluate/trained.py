"""A run's base and tuned model, loaded side by side from its run directory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from launcher.evaluate.run_weights import Tell, run_weights
from launcher.model.adapt import TrainableModel, base_only
from launcher.recipe.method import Full
from launcher.recipe.recipe import Recipe
from launcher.storage.runs import find_run

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
def load_trained(run: str, tell: Tell) -> Iterator[Trained]:
    """Load the model that a run ended with, or has come to: then that of its newest commit that verifies.

    Args:
        run: the run directory as path or URL, or a run's id under `runs/`.
        tell: gets a line where the run has not ended.

    Raises:
        InvalidInput: there is no such run, or it has committed nothing yet.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with run_weights(find_run(run), tell) as weights:
        recipe, tokenizer = weights.recipe, weights.tokenizer
        tuned = weights.tuned(device)
        if isinstance(recipe.method, Full):
            yield Trained(recipe, tokenizer, weights.base(device), tuned, lambda _: nullcontext(), device)
        else:
            yield Trained(recipe, tokenizer, tuned, tuned, base_only, device)

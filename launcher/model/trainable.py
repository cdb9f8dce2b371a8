"""A model that is ready to train under a strategy: loaded, adapted, and partitioned where ZeRO 3 asks for it."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from launcher.model.adapt import TrainableModel, adapt
from launcher.model.liger import use_liger
from launcher.model.load import load_model
from launcher.model.zero import partition_aware, partitioned_loading
from launcher.recipe.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def trainable_model(
    recipe: Recipe, folder: Path, tokenizer: "PreTrainedTokenizerBase", device: torch.device
) -> TrainableModel:
    """The model of a recipe on this rank; all ranks call it together.

    Raises:
        InvalidInput: the folder's weights are missing or damaged.
    """
    with partitioned_loading(recipe, device):
        model = load_model(recipe, folder, tokenizer, device)
    if recipe.training.use_liger_kernel:
        use_liger(model)
    with partition_aware(recipe, device):
        return adapt(model, recipe)

"""The base model in memory: type, quantisation, head, grown embedding."""

from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedModel

from launcher.errors import InvalidInput
from launcher.model.precision import PRECISIONS
from launcher.model.quantize import keep_trainable, quantization_config
from launcher.model.tokenizer import rows_needed
from launcher.recipe.method import Full, QLora
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import SequenceClassification

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_model(
    recipe: Recipe,
    folder: Path,
    tokenizer: "PreTrainedTokenizerBase",
    device: torch.device,
    *,
    as_stored: bool = False,
) -> PreTrainedModel:
    """The base on `device`, in evaluation mode; new weights (a head, added tokens) are drawn by `training.seed`.

    Weights to be trained are fp32. Frozen ones take the type of `training.precision`, or few bits.

    Args:
        as_stored: Take the weights in the type that they are stored in: the model is no base any more.

    Raises:
        InvalidInput: the folder's weights are missing or damaged.
    """
    compute = PRECISIONS[recipe.training.precision]
    options: dict[str, object] = {"dtype": torch.float32 if isinstance(recipe.method, Full) else compute}
    if as_stored:
        options["dtype"] = "auto"
    elif isinstance(recipe.method, QLora):
        options["quantization_config"] = quantization_config(recipe.method.quantization, compute)
        options["device_map"] = {"": device}
    torch.manual_seed(recipe.training.seed)
    auto: type[AutoModelForCausalLM | AutoModelForSequenceClassification] = AutoModelForCausalLM
    if isinstance(recipe.task, SequenceClassification):
        names = dict(enumerate(recipe.task.labels))
        options |= {"id2label": names, "label2id": {name: index for index, name in names.items()}}
        auto = AutoModelForSequenceClassification
    try:
        model: PreTrainedModel = auto.from_pretrained(folder, **options)
    except (OSError, ValueError, SafetensorError) as error:
        raise InvalidInput(f"model: {folder} does not load: {shorten(str(error), 300)}; fetch it anew") from error
    if rows_needed(tokenizer) > model.config.vocab_size:
        model.resize_token_embeddings(rows_needed(tokenizer))
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.use_cache = False
    if isinstance(recipe.method, QLora) and not as_stored:
        keep_trainable(model)
        return model  # quantised weights are placed as they load
    nn.Module.to(model, device)
    return model

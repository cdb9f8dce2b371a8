"""The base model in memory: type, quantisation, head, grown embedding."""

from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import torch
from bitsandbytes.nn.modules import Linear4bit
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
    PreTrainedModel,
)

from launcher.errors import InvalidInput
from launcher.model.tokenizer import rows_needed
from launcher.recipe.method import Full, QLora
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import SequenceClassification

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
HEADS = ["lm_head", "score", "classifier"]
"""Output layers by their names in transformers; they stay out of quantisation."""


def load_model(
    recipe: Recipe, folder: Path, tokenizer: "PreTrainedTokenizerBase", device: torch.device
) -> PreTrainedModel:
    """The base on `device`, in evaluation mode; new weights (a head, added tokens) are drawn by `training.seed`.

    Weights to be trained are fp32. Frozen ones take the type of `training.precision`, or 4 bits.

    Raises:
        InvalidInput: the folder's weights are missing or damaged.
    """
    compute = PRECISIONS[recipe.training.precision]
    options: dict[str, object] = {"dtype": torch.float32 if isinstance(recipe.method, Full) else compute}
    if isinstance(recipe.method, QLora):
        options["quantization_config"] = _quantization(recipe.method, compute)
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
    if isinstance(recipe.method, QLora):
        _keep_unpacked(model)
        return model  # quantised weights are placed as they load
    nn.Module.to(model, device)
    return model


def _keep_unpacked(model: nn.Module) -> None:
    """Keep bitsandbytes from repacking weights on a CPU with AVX512-BF16 at the first scoring.

    The packed form serves inference alone, in bf16, and refuses outputs that 32 does not divide.
    """
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _quantization(method: QLora, compute: torch.dtype) -> BitsAndBytesConfig:
    asked = method.quantization.compute_dtype
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=method.quantization.type,
        bnb_4bit_use_double_quant=method.quantization.double_quantization,
        bnb_4bit_compute_dtype=getattr(torch, asked) if asked is not None else compute,
        llm_int8_skip_modules=HEADS,
    )

"""Trainable weights: all of them, or adapters beside a frozen base."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from launcher.errors import InvalidInput
from launcher.model.lora import lora_config, token_modules
from launcher.model.warm_start import check_same_kind, load_adapter, read_adapter
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe

TrainableModel = PreTrainedModel | PeftModel

BASE_BIAS = "base_bias"
"""A module's buffer with its bias as the base had it, where biases are trained: PEFT trains them in place."""


def adapt(model: PreTrainedModel, recipe: Recipe, adapter: str | None = None) -> TrainableModel:
    """The model with the recipe's method applied; adapters are drawn by `training.seed`, all trained weights are fp32.

    With added tokens the embedding and the output layer are trained whole: their new rows are random.

    Args:
        adapter: run directory or folder of the adapter to start from, in place of `method.warm_start`.

    Raises:
        InvalidInput: the model does not have the modules that are named, or the adapter to start from does not fit.
    """
    if recipe.training.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()  # type: ignore[no-untyped-call]
    method = recipe.method
    if isinstance(method, Full):
        return model
    start = adapter or method.warm_start
    saved = read_adapter(start) if start is not None else None
    if saved is not None:
        check_same_kind(saved, method)
    if method.bias != "none":
        _remember_biases(model)
    grown = isinstance(recipe.model, Pretrained) and bool(recipe.model.add_tokens)
    config = lora_config(method, recipe.task, also_whole=token_modules(model) if grown else [])
    torch.manual_seed(recipe.training.seed)
    try:
        with warnings.catch_warnings():  # PEFT 0.21 asks transformers by a name that is deprecated
            warnings.simplefilter("ignore", FutureWarning)
            adapted = get_peft_model(model, config)
    except ValueError as error:
        raise InvalidInput(f"method: PEFT refuses it: {shorten(str(error), 300)}") from error
    _train_in_fp32(adapted)
    if saved is not None:
        load_adapter(adapted, saved)
    return adapted


def _train_in_fp32(model: nn.Module) -> None:
    """PEFT leaves modules that are trained whole, and biases, in the type of the base."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    for module in model.modules():
        if isinstance(module, nn.LayerNorm) and module.bias is not None and module.bias.requires_grad:
            module.float()  # on a CPU weight and bias of a norm have to be of one type


def trainable_parameters(model: nn.Module) -> int:
    """How many weights the optimiser changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@contextmanager
def base_only(model: TrainableModel) -> Iterator[None]:
    """The model as it was before it was adapted, for as long as the context lasts."""
    if isinstance(model, PeftModel):
        with warnings.catch_warnings(), _base_biases(model):
            warnings.filterwarnings("ignore", "Careful, disabling adapter layers with bias")  # which are seen to here
            with model.disable_adapter():
                yield
    else:
        yield


def _remember_biases(model: nn.Module) -> None:
    for module in model.modules():
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            module.register_buffer(BASE_BIAS, bias.detach().clone(), persistent=False)


@contextmanager
def _base_biases(model: nn.Module) -> Iterator[None]:
    """Biases as the base had them; PEFT's own switch leaves trained ones in place."""
    biases = [module.get_parameter("bias") for module in model.modules() if BASE_BIAS in module._buffers]
    tuned = [bias.detach().clone() for bias in biases]
    originals = [module.get_buffer(BASE_BIAS) for module in model.modules() if BASE_BIAS in module._buffers]
    _copy(originals, biases)
    try:
        yield
    finally:
        _copy(tuned, biases)


def _copy(sources: list[torch.Tensor], targets: list[nn.Parameter]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.data.copy_(source)

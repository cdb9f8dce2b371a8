"""Trainable weights: all of them, or adapters beside a frozen base."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import SequenceClassification

TrainableModel = PreTrainedModel | PeftModel


def adapt(model: PreTrainedModel, recipe: Recipe) -> TrainableModel:
    """The model with the recipe's method applied; adapters are drawn by `training.seed`, all trained weights are fp32.

    With added tokens the embedding and the output layer are trained whole: their new rows are random.
    """
    if recipe.training.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()  # type: ignore[no-untyped-call]
    method = recipe.method
    if isinstance(method, Full):
        return model
    classification = isinstance(recipe.task, SequenceClassification)
    grown = isinstance(recipe.model, Pretrained) and bool(recipe.model.add_tokens)
    whole = [*method.modules_to_save, *(["embed_tokens", "lm_head"] if grown else [])]
    torch.manual_seed(recipe.training.seed)
    adapted = get_peft_model(
        model,
        LoraConfig(
            r=method.r,
            lora_alpha=method.lora_alpha,
            lora_dropout=method.lora_dropout,
            target_modules=method.target_modules,
            modules_to_save=list(dict.fromkeys(whole)) or None,
            task_type=TaskType.SEQ_CLS if classification else TaskType.CAUSAL_LM,
        ),
    )
    for parameter in adapted.parameters():
        if parameter.requires_grad:  # PEFT leaves modules that are trained whole in the type of the base
            parameter.data = parameter.data.float()
    return adapted


def trainable_parameters(model: nn.Module) -> int:
    """How many weights the optimiser changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@contextmanager
def base_only(model: TrainableModel) -> Iterator[None]:
    """The model as it was before it was adapted, for as long as the context lasts."""
    if isinstance(model, PeftModel):
        with model.disable_adapter():
            yield
    else:
        yield

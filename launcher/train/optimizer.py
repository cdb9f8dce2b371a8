"""The optimiser by its name, with decay on matrices only."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers.optimization import Adafactor

from launcher.recipe.optimizers import OptimizerName
from launcher.recipe.training import Training

Groups = list[dict[str, Any]]


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """The recipe's optimiser over the trainable parameters; vectors (norms, biases) are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if _is_matrix(p)], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if not _is_matrix(p)], "weight_decay": 0.0},
    ]
    optimizer = _MAKERS[training.optim]([group for group in groups if group["params"]], training)
    if training.optim.endswith("8bit"):
        _keep_embeddings_in_32_bits(model)
    return optimizer


def _is_matrix(parameter: nn.Parameter) -> bool:
    """By its own shape, which ZeRO 3 keeps beside a parameter that it partitions."""
    return len(getattr(parameter, "ds_shape", parameter.shape)) >= 2


def _adamw(groups: Groups, training: Training, *, fused: bool) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, **_adam_numbers(training), fused=fused)


def _bitsandbytes_adamw(groups: Groups, training: Training, *, bits: int, paged: bool) -> torch.optim.Optimizer:
    from bitsandbytes.optim.adamw import AdamW

    numbers = _adam_numbers(training)
    return AdamW(groups, **numbers, optim_bits=bits, is_paged=paged)  # type: ignore[no-untyped-call]


def _adafactor(groups: Groups, training: Training) -> torch.optim.Optimizer:
    """As in Hugging Face's Trainer. torch's own always scales the learning rate by the size of the weights."""
    rate = training.learning_rate
    return Adafactor(groups, lr=rate, scale_parameter=False, relative_step=False)  # type: ignore[no-untyped-call]


def _sgd(groups: Groups, training: Training) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=training.learning_rate)


def _adam_numbers(training: Training) -> dict[str, Any]:
    betas = (training.adam_beta1, training.adam_beta2)
    return {"lr": training.learning_rate, "betas": betas, "eps": training.adam_epsilon}


_MAKERS: dict[OptimizerName, Callable[[Groups, Training], torch.optim.Optimizer]] = {
    "adamw_torch_fused": partial(_adamw, fused=True),
    "adamw_torch": partial(_adamw, fused=False),
    "adamw_bnb_8bit": partial(_bitsandbytes_adamw, bits=8, paged=False),
    "paged_adamw_8bit": partial(_bitsandbytes_adamw, bits=8, paged=True),
    "paged_adamw_32bit": partial(_bitsandbytes_adamw, bits=32, paged=True),
    "adafactor": _adafactor,
    "sgd": _sgd,
}


def _keep_embeddings_in_32_bits(model: nn.Module) -> None:
    """Embeddings train unstably with 8-bit states (https://arxiv.org/abs/2110.02861, section 2.3)."""
    from bitsandbytes.optim.optimizer import GlobalOptimManager

    manager = GlobalOptimManager.get_instance()  # type: ignore[no-untyped-call]
    for module in model.modules():
        if isinstance(module, nn.Embedding) and module.weight.requires_grad:
            manager.register_module_override(module, "weight", {"optim_bits": 32})

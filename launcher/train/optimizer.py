"""AdamW with decay on matrices only, and the learning rate's schedule."""

from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import get_scheduler

from launcher.recipe.training import Training

if TYPE_CHECKING:
    from torch.optim.lr_scheduler import LRScheduler


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; vectors (norms, biases) are not decayed."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() >= 2], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=training.learning_rate,
        betas=(training.adam_beta1, training.adam_beta2),
        eps=training.adam_epsilon,
        fused=True,
    )


def warmup_steps(training: Training, steps: int) -> int:
    """Steps of warm-up out of `steps`."""
    if training.warmup_steps is not None:
        return training.warmup_steps
    return round(steps * (training.warmup_ratio or 0.0))


def make_scheduler(optimizer: torch.optim.Optimizer, training: Training, steps: int) -> "LRScheduler":
    """The learning rate over `steps` optimiser steps."""
    warmup = warmup_steps(training, steps)
    scheduler: LRScheduler = get_scheduler(training.lr_scheduler_type, optimizer, warmup, steps)
    return scheduler

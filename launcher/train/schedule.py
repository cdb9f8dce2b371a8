"""The learning rate, by how far the data are: a pure function, so that a run which is resumed needs no state of it."""

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import get_scheduler

from launcher.errors import InvalidInput
from launcher.recipe.training import Training, in_steps


class Schedule:
    """One of transformers' schedules over the expected steps.

    Attributes:
        skipped: Steps that changed no weights, as one that overflowed: the schedule does not move with them.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, training: Training, steps: int) -> None:
        """Raises InvalidInput where a polynomial would have no steps to fall in."""
        warmup = warmup_steps(training, steps)
        if training.lr_scheduler_type == "polynomial" and warmup >= steps:
            message = f"{warmup} steps of warm-up leave none of {steps} for the polynomial to fall in"
            raise InvalidInput(f"training.warmup_steps: {message}; give fewer, or another training.lr_scheduler_type")
        options = training.lr_scheduler_kwargs.given
        made = get_scheduler(training.lr_scheduler_type, optimizer, warmup, steps, options)
        assert isinstance(made, LambdaLR)
        self.skipped = 0
        self._optimizer = optimizer
        self._schedule = made

    def set(self, position: float) -> float:
        """Set and return the rate of a step, the first parameter group's.

        Args:
            position: Steps before it; of packs not always a whole number.
        """
        now = max(0.0, position - self.skipped)
        groups = self._optimizer.param_groups
        for group, base, factor in zip(groups, self._schedule.base_lrs, self._schedule.lr_lambdas, strict=True):
            group["lr"] = base * factor(now)  # type: ignore[arg-type, operator]  # transformers' own take any number
        return float(groups[0]["lr"])


def warmup_steps(training: Training, steps: int) -> int:
    """Steps of warm-up out of `steps`."""
    if training.warmup_steps is not None:
        return in_steps(training.warmup_steps, steps)
    return in_steps(training.warmup_ratio or 0.0, steps)

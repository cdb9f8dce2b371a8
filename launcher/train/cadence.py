"""At which steps something is written down, evaluated or saved, and when to stop early: pure decisions."""

import math
from dataclasses import dataclass

from launcher.plan.batch import BatchPlan
from launcher.recipe.training import Strategy, Training, in_steps

EVERY = 500
"""Steps between two evaluations or checkpoints where a recipe does not say, as in Hugging Face's Trainer."""


def due(strategy: Strategy, every: float, step: int, plan: BatchPlan) -> bool:
    """Whether it is time after optimiser step `step`, counted from 1. The last step is always a time.

    Args:
        strategy: `epoch` is the step that takes the last row of an epoch.
        every: Steps, or a share of all steps where it is less than 1; 0 is the last step only.
    """
    if strategy == "no":
        return False
    if step == plan.steps:
        return True
    if strategy == "epoch":
        return step * plan.global_batch // plan.rows > (step - 1) * plan.global_batch // plan.rows
    return every != 0 and step % in_steps(every, plan.steps) == 0


def log_due(training: Training, step: int, plan: BatchPlan) -> bool:
    """Whether the metrics of `step` are written down."""
    first = step == 1 and training.logging_first_step
    return first or due(training.logging_strategy, training.logging_steps or 1, step, plan)


def evaluation_due(training: Training, step: int, plan: BatchPlan) -> bool:
    """Whether the validation rows are scored after `step`."""
    return due(training.eval_strategy, training.eval_steps or training.logging_steps or EVERY, step, plan)


def save_due(training: Training, step: int, plan: BatchPlan) -> bool:
    """Whether a checkpoint is committed after `step`."""
    every = EVERY if training.save_steps is None else training.save_steps
    return due(training.save_strategy, every, step, plan)


@dataclass(slots=True)
class EarlyStopping:
    """The best of the evaluations so far, and whether to go on.

    Attributes:
        patience: Evaluations in a row without an improvement by more than `threshold` that end the run; None never.
        threshold: Counts against the best so far, which a smaller improvement moves too, as in Hugging Face's Trainer.
    """

    patience: int | None
    threshold: float
    greater_is_better: bool
    best: float | None = None
    best_step: int | None = None
    waited: int = 0
    """Evaluations in a row without an improvement."""

    @classmethod
    def of(cls, training: Training) -> "EarlyStopping":
        """As a recipe says."""
        return cls(training.early_stopping_patience, training.early_stopping_threshold, training.higher_is_better)

    def update(self, step: int, value: float) -> bool:
        """Take the evaluation after `step`; returns whether to stop. `best_step` is `step` where it is the best."""
        gain = self._gain(value)
        self.waited = 0 if gain > self.threshold else self.waited + 1
        if gain > 0:
            self.best, self.best_step = value, step
        return self.patience is not None and self.waited >= self.patience

    def _gain(self, value: float) -> float:
        """By how much a value is better than the best; not a number is no improvement."""
        if math.isnan(value):
            return -math.inf
        if self.best is None:
            return math.inf
        return value - self.best if self.greater_is_better else self.best - value

"""At which steps something is written down, evaluated or saved, and when to stop early: pure decisions."""

import math
from dataclasses import dataclass

from launcher.recipe.training import SaveStrategy, Strategy, Training, in_steps

EVERY = 500
"""Steps between two evaluations or checkpoints where a recipe does not say, as in Hugging Face's Trainer."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The time between two steps."""

    step: int
    """Steps that have run."""
    steps: int
    """Steps that are expected in all."""
    last: bool
    """No step follows."""
    epoch_ended: bool
    """The step that has just run took the last document of an epoch."""


def due(strategy: Strategy | SaveStrategy, every: float, now: Moment) -> bool:
    """Whether it is time for something. The end is always a time.

    Args:
        every: Steps, or a share of all steps where it is less than 1; 0 is the last step only.
    """
    if strategy == "no":
        return False
    if now.last:
        return True
    if strategy == "epoch":
        return now.epoch_ended
    return every != 0 and now.step % in_steps(every, now.steps) == 0


def log_due(training: Training, now: Moment) -> bool:
    """Whether the metrics of the latest step are written down."""
    first = now.step == 1 and training.logging_first_step
    return first or due(training.logging_strategy, training.logging_steps or 1, now)


def evaluation_due(training: Training, now: Moment) -> bool:
    """Whether the validation rows are scored."""
    return due(training.eval_strategy, training.eval_steps or training.logging_steps or EVERY, now)


def save_due(training: Training, now: Moment) -> bool:
    """Whether the state is committed at this step, whatever the time."""
    if training.saving in ("minutes", "auto"):
        return now.last
    every = EVERY if training.save_steps is None else training.save_steps
    return due(training.saving, every, now)


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

"""What happens between two steps: evaluations, the best weights, and the decision to stop early."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from launcher.evaluate.judged import judged_metrics
from launcher.model.adapt import TrainableModel
from launcher.train.cadence import EarlyStopping, Moment, evaluation_due
from launcher.train.desk import Note
from launcher.train.engines.engine import Engine
from launcher.train.job import Judged
from launcher.train.rank import Rank
from launcher.train.scoring import shared_scores
from launcher.train.state.kept import KeptWeights


class Milestones:
    """Runs on every rank alike, as most of it is collective.

    Attributes:
        evaluations: Metrics of the validation rows by the step after which they were scored.
        metric: The latest one by which the best is told; None before the first evaluation.
        stopping: The best so far.
        best: Its weights, where the recipe ends with them.
    """

    def __init__(self, rank: Rank, engine: Engine, model: TrainableModel, pad_id: int, validation: Judged) -> None:
        self.evaluations: dict[int, dict[str, float]] = {}
        self.metric: float | None = None
        self.best: KeptWeights | None = None
        self._rank = rank
        self._engine = engine
        self._model = model
        self._pad_id = pad_id
        self._validation = validation
        self._training = rank.job.recipe.training
        self.stopping = EarlyStopping.of(self._training)

    def resume(self, stopping: Mapping[str, Any]) -> None:
        """Go on with the best that an earlier attempt has found; how patient to be is this recipe's."""
        found = {name: stopping[name] for name in ("best", "best_step", "waited")}
        self.stopping = replace(self.stopping, **found)

    def after(self, now: Moment) -> bool:
        """What is due between two steps; returns whether the run is to end here."""
        return evaluation_due(self._training, now) and self._evaluate(now.step)

    def finish(self) -> None:
        """Put the best evaluation's weights back, where the recipe asks for them."""
        if self.best is not None:
            self.best.restore(self._model)
            step = self.stopping.best_step
            self._rank.tell(Note(f"the best evaluation was that after step {step}: its weights stay"))

    def _evaluate(self, step: int) -> bool:
        rows = self._validation.rows
        scores = shared_scores(self._rank, self._model, rows, self._pad_id)
        self._model.train()
        metrics = judged_metrics(rows, scores, self._validation.truths)
        self.evaluations[step] = metrics
        told = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._rank.tell(Note(f"step {step}: validation {told}"))
        self.metric = metrics[self._training.metric_for_best_model]
        stop = self.stopping.update(step, self.metric)
        if self._training.load_best_model_at_end and self.stopping.best_step == step:
            self.best = KeptWeights.copy(self._engine, self._model)
        if stop:
            patience = self._training.early_stopping_patience
            self._rank.tell(Note(f"stopped after step {step}: {patience} evaluations without an improvement"))
        return stop

"""What happens between two steps: evaluations, checkpoints, and the decision to stop early."""

from typing import TYPE_CHECKING

from launcher.evaluate.judged import judged_metrics
from launcher.model.adapt import TrainableModel
from launcher.train.cadence import EarlyStopping, Moment, evaluation_due, save_due
from launcher.train.desk import Note
from launcher.train.job import Judged
from launcher.train.rank import Rank
from launcher.train.results import commit_checkpoint
from launcher.train.scoring import shared_scores
from launcher.train.weights import KeptWeights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class Milestones:
    """Runs on every rank alike, as most of it is collective.

    Attributes:
        evaluations: Metrics of the validation rows by the step after which they were scored.
    """

    def __init__(
        self, rank: Rank, model: TrainableModel, tokenizer: "PreTrainedTokenizerBase", validation: Judged
    ) -> None:
        self.evaluations: dict[int, dict[str, float]] = {}
        self._rank = rank
        self._model = model
        self._tokenizer = tokenizer
        self._validation = validation
        self._training = rank.job.recipe.training
        self._stopping = EarlyStopping.of(self._training)
        self._best: KeptWeights | None = None

    def after(self, now: Moment) -> bool:
        """What is due between two steps; returns whether the run is to end here."""
        stop = evaluation_due(self._training, now) and self._evaluate(now.step)
        if save_due(self._training, now) and not now.last:  # the last one's is the model itself
            commit_checkpoint(self._rank, self._model, self._tokenizer, now.step)
        return stop

    def finish(self) -> None:
        """Put the best evaluation's weights back, where the recipe asks for them."""
        if self._best is not None:
            self._best.restore()
            best = self._stopping.best_step
            self._rank.tell(Note(f"the best evaluation was that after step {best}: its weights stay"))

    def _evaluate(self, step: int) -> bool:
        rows, pad_id = self._validation.rows, int(self._tokenizer.pad_token_id)
        scores = shared_scores(self._rank, self._model, rows, pad_id)
        self._model.train()
        metrics = judged_metrics(rows, scores, self._validation.truths)
        self.evaluations[step] = metrics
        told = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._rank.tell(Note(f"step {step}: validation {told}"))
        stop = self._stopping.update(step, metrics[self._training.metric_for_best_model])
        if self._training.load_best_model_at_end and self._stopping.best_step == step:
            self._best = KeptWeights(self._model)
        if stop:
            patience = self._training.early_stopping_patience
            self._rank.tell(Note(f"stopped after step {step}: {patience} evaluations without an improvement"))
        return stop

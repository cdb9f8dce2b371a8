"""How well scores match what is right, in a few numbers: for evaluations while training, and for trackers."""

from collections.abc import Sequence

from launcher.data.encode import Question, TestRow
from launcher.evaluate.metrics import classification_metrics
from launcher.evaluate.outcome import best_label, label_tokens
from launcher.evaluate.scores import Scores


def judged_metrics(rows: Sequence[TestRow], scores: Scores, truths: Sequence[int] | None) -> dict[str, float]:
    """`loss`, the mean cross-entropy in nats, of a label token or of a label; with labels `accuracy` and `macro_f1`.

    Args:
        truths: The place of each row's true label among its scores; None where the task has no labels.
    """
    if truths is None:
        return {"loss": -sum(row[0] for row in scores) / sum(label_tokens(rows))}
    labels = [str(place) for place in range(len(scores[0]))]
    predicted = [best_label(row, labels) for row in scores]
    metrics = classification_metrics([labels[truth] for truth in truths], predicted, labels)
    tokens = sum(_label_tokens(row, truth) for row, truth in zip(rows, truths, strict=True))
    loss = -sum(row[truth] for row, truth in zip(scores, truths, strict=True)) / tokens
    return {"loss": loss, "accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1}


def _label_tokens(row: TestRow, truth: int) -> int:
    """Tokens that stand for the true label; 1 where a head tells it."""
    assert isinstance(row, Question)
    return len(row.candidates[truth]) if row.candidates else 1

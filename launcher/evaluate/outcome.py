"""What a run's scores say: metrics of base, tuned and classical model, and the rows they predict."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from launcher.data.dataset import Dataset
from launcher.data.encode import Example, TestRow
from launcher.data.fields import label_names
from launcher.data.rows import Row
from launcher.evaluate.bootstrap import ratio_interval
from launcher.evaluate.classical import classical_predictions
from launcher.evaluate.metrics import ClassificationMetrics, classification_metrics
from launcher.evaluate.predictions import Predictions, predictions_csv
from launcher.evaluate.scores import Scores
from launcher.evaluate.table import BASE, TUNED
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import METRICS, PREDICTIONS
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class CompletionMetrics:
    """How well a model foresees free completions, an assistant's turns, or texts."""

    rows: int
    loss: float
    """Mean cross-entropy a label token, in nats."""
    loss_low: float
    """Lower end of the 95 % bootstrap interval over rows."""
    loss_high: float

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)


def probabilities(scores: Sequence[float]) -> list[float]:
    """Log-likelihoods of exclusive answers -> probabilities that sum to 1."""
    highest = max(scores)
    weights = [math.exp(score - highest) for score in scores]
    return [weight / sum(weights) for weight in weights]


def best_label(scores: Sequence[float], labels: Sequence[str]) -> str:
    """The label with the highest score; of equal ones the first."""
    return labels[max(range(len(labels)), key=scores.__getitem__)]


def classify(recipe: Recipe, dataset: Dataset, base: Scores, tuned: Scores) -> dict[str, ClassificationMetrics]:
    """Metrics of base and tuned model by name, in the order to show."""
    labels = label_names(recipe.task)
    assert labels is not None
    said = {name: _predictions(scores, labels) for name, scores in ((BASE, base), (TUNED, tuned))}
    true = _true(dataset.test)
    return {name: classification_metrics(true, each.labels, labels, each.probabilities) for name, each in said.items()}


def classical_line(recipe: Recipe, dataset: Dataset) -> ClassificationMetrics:
    """Metrics of TF-IDF and logistic regression on the same rows.

    Raises:
        InvalidInput: the training rows have no words to count.
    """
    labels = label_names(recipe.task)
    assert labels is not None
    texts, questions = [row.text for row in dataset.train], [row.text for row in dataset.test]
    predicted = classical_predictions(texts, _true(dataset.train), questions)
    return classification_metrics(_true(dataset.test), predicted, labels)


def completion_metrics(rows: Sequence[TestRow], scores: Scores) -> CompletionMetrics:
    """Metrics of rows with one score each: texts, or questions with their true completion as the one candidate."""
    tokens, losses = label_tokens(rows), [-row[0] for row in scores]
    interval = ratio_interval(losses, tokens)
    return CompletionMetrics(len(losses), sum(losses) / sum(tokens), interval.low, interval.high)


def label_tokens(rows: Sequence[TestRow]) -> list[int]:
    """How many tokens of each row with one score are counted."""
    return [row.label_tokens if isinstance(row, Example) else len(row.candidates[0]) for row in rows]


def store_predictions(store: Store, recipe: Recipe, dataset: Dataset, base: Scores, tuned: Scores) -> None:
    """Write evaluation/predictions.csv: each test row with both models' answers and probabilities."""
    labels = label_names(recipe.task)
    assert labels is not None
    texts = [row.text for row in dataset.test]
    content = predictions_csv(
        texts, _true(dataset.test), labels, _predictions(base, labels), _predictions(tuned, labels)
    )
    store.write(PREDICTIONS, content)


def store_metrics(store: Store, metrics: Mapping[str, ClassificationMetrics]) -> None:
    """Write evaluation/metrics.json."""
    content = {name: each.to_dict() for name, each in metrics.items()}
    store.write(METRICS, json.dumps(content, indent=1).encode())


def _true(rows: Sequence[Row]) -> list[str]:
    return [row.label or "" for row in rows]


def _predictions(scores: Scores, labels: Sequence[str]) -> Predictions:
    return Predictions([best_label(row, labels) for row in scores], [probabilities(row) for row in scores])

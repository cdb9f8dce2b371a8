"""`launcher evaluate`: a finished run, or a model, on the recipe's test rows or on others."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from dataclasses import field as defaulted
from pathlib import Path
from typing import Any

from launcher.data.dataset import Names, load_dataset, named_rows
from launcher.data.encode import TestRow, encode_test_rows
from launcher.data.encode.instruction import completion_text
from launcher.data.fields import label_names
from launcher.data.rows import Row, Rows
from launcher.data.split import deduplicate
from launcher.errors import InvalidInput
from launcher.evaluate.contenders import Field, of_model, of_run
from launcher.evaluate.metrics import ClassificationMetrics, classification_metrics
from launcher.evaluate.outcome import CompletionMetrics, best_label, completion_metrics, probabilities
from launcher.evaluate.predict import generate
from launcher.evaluate.run_weights import Tell
from launcher.evaluate.score import score
from launcher.evaluate.scores import Scores
from launcher.evaluate.written import Generation, GenerationMetrics, written_metrics
from launcher.model.precision import autocast
from launcher.recipe.load import load_recipe
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Instruction
from launcher.storage.layout import RECIPE
from launcher.storage.runs import find_run

MAY_CHANGE = ("data.test.", "data.test=", "data.fields", "data.labels", "data.numbers_as_text", "evaluation.")
NO_SPLIT = "data.split=null"
"""Goes with a source of its own. Another split would test on rows that were trained on."""


@dataclass(frozen=True, slots=True)
class How:
    limit: int | None = None
    """Take the first so many test rows only."""
    generate: int | None = None
    """Let the models write up to so many tokens too."""
    together: int = 1
    """Prompts that they write after at once."""

    def __post_init__(self) -> None:
        for flag, number in (("--limit", self.limit), ("--generate", self.generate), ("--together", self.together)):
            if number is not None and number < 1:
                raise InvalidInput(f"{flag}: {number} is none at all; give 1 or more")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What each model scored, by its name."""

    rows: int
    labelled: Mapping[str, ClassificationMetrics] = defaulted(default_factory=dict)
    """Where the task has labels."""
    completed: Mapping[str, CompletionMetrics] = defaulted(default_factory=dict)
    """Where it has none."""
    written: Mapping[str, GenerationMetrics] = defaulted(default_factory=dict)
    """Where the models wrote freely."""
    generations: Sequence[Generation] = ()

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; without the generations themselves."""
        told = asdict(self)
        del told["generations"]
        for name, each in self.completed.items():
            told["completed"][name]["perplexity"] = each.perplexity
        return told


def evaluate_run(run: str, overrides: Sequence[str], how: How, tell: Tell) -> Evaluated:
    """Score base and tuned model of a run.

    Args:
        run: Run directory as path or URL, or a run's id under `runs/`.
        overrides: `KEY=VALUE` of the recipe: other rows to test on.

    Raises:
        InvalidInput: no such run, no model yet, other fields overridden, rows or task that do not go with it.
    """
    for override in overrides:
        if not override.startswith(MAY_CHANGE) and override != NO_SPLIT:
            raise InvalidInput(
                f"{override!r}: of a run that was trained, only data.test, how its columns are read, and evaluation "
                f"may change here; where test rows were cut from train, say {NO_SPLIT} and give data.test"
            )
    with tempfile.TemporaryDirectory(prefix="ll-recipe-") as folder:
        own = Path(folder, "recipe.yaml")
        own.write_bytes(find_run(run).read(RECIPE))
        recipe = load_recipe(str(own), overrides)
    rows = rows_to_test(recipe)[: how.limit]
    with of_run(run, tell, recipe=recipe) as field:
        return _evaluate(field, rows, how)


def evaluate_model(place: str, recipe: Recipe, how: How) -> Evaluated:
    """Score a model, or an adapter beside its base, on a recipe's test rows.

    Raises:
        InvalidInput: it cannot be had, or does not go with the recipe.
    """
    rows = rows_to_test(recipe)[: how.limit]
    with of_model(place, recipe) as field:
        return _evaluate(field, rows, how)


def rows_to_test(recipe: Recipe) -> Sequence[Row]:
    """The rows that a run of the recipe tests on; training rows are read only where test rows are cut from them."""
    data = recipe.data
    if data.test is None:
        return load_dataset(recipe).test
    rows = Rows.of(named_rows(data.test, recipe, "data.test", Names(data.fields, data.labels)))
    return deduplicate(rows) if data.deduplicate else rows


def _evaluate(field: Field, rows: Sequence[Row], how: How) -> Evaluated:
    if not rows:
        raise InvalidInput("data.test: there is no row to evaluate on; see the source and data.split")
    task, labels = field.recipe.task, label_names(field.recipe.task)
    generations = [] if how.generate is None else _generations(field, rows, how.generate, how.together)
    written = written_metrics(generations)
    encoded = encode_test_rows(rows, task, field.tokenizer, field.recipe.training.max_length)
    scores = dict(_scores(field, encoded))
    if labels is None:
        completed = {name: completion_metrics(encoded, each) for name, each in scores.items()}
        return Evaluated(len(rows), completed=completed, written=written, generations=generations)
    true = [row.label or "" for row in rows]
    labelled = {name: _labelled(true, each, labels) for name, each in scores.items()}
    return Evaluated(len(rows), labelled=labelled, written=written, generations=generations)


def _scores(field: Field, encoded: Sequence[TestRow]) -> Iterator[tuple[str, Scores]]:
    recipe, pad_id = field.recipe, int(field.tokenizer.pad_token_id)
    size = recipe.evaluation.batch_size
    for each in field.contenders:
        with each.mode(), autocast(recipe.training.precision, field.device):
            yield each.name, score(each.model, encoded, pad_id=pad_id, batch_size=size, device=field.device)


def _labelled(true: Sequence[str], scores: Scores, labels: list[str]) -> ClassificationMetrics:
    predicted = [best_label(row, labels) for row in scores]
    return classification_metrics(true, predicted, labels, [probabilities(row) for row in scores])


def _generations(field: Field, rows: Sequence[Row], most: int, together: int) -> list[Generation]:
    task = field.recipe.task
    if not isinstance(task, Instruction):
        raise InvalidInput(f"--generate: task {task.kind} has no completion to compare with; leave it out")
    prompts = [task.prompt.format(**row.fields) for row in rows]
    answers = generate(field, rows, most, together)
    return [
        Generation(prompt, completion_text(row, task).strip(), {n: each.answer.strip() for n, each in said.items()})
        for prompt, row, said in zip(prompts, rows, [each.by_model for each in answers], strict=True)
    ]

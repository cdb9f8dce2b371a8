"""What `data` asks of other sections, and they of it."""

from collections.abc import Iterator
from itertools import chain

from launcher.recipe.data import Mixture, Prepared
from launcher.recipe.model import Scratch
from launcher.recipe.problem import KeyPath
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import has_labels

Findings = Iterator[tuple[KeyPath, str, str | None]]


def data_findings(recipe: Recipe) -> Findings:
    """Each contradiction of `data` with another section or in itself: key path, message, mend."""
    return chain(_long_documents(recipe), _cuts(recipe), _rows_that_are_not_read(recipe), _mixture(recipe))


def _long_documents(recipe: Recipe) -> Findings:
    if recipe.long_documents == "split" and recipe.task.kind != "text":
        message = f"a piece of a row of task {recipe.task.kind} has lost its question or its answer"
        yield ("training", "long_documents"), message, "say truncate, or raise max_length"


def _cuts(recipe: Recipe) -> Findings:
    """Rows are cut from a single source that is read."""
    if recipe.data.split is None or not isinstance(recipe.data.train, Prepared | Mixture):
        return
    why = "prepared data are not read by rows" if isinstance(recipe.data.train, Prepared) else "train is a mixture"
    mend = "remove it, or say null, and give data.test and data.validation (sources)"
    yield ("data", "split"), f"no rows are cut from train, as {why}", mend


def _rows_that_are_not_read(recipe: Recipe) -> Findings:
    """What else needs the words of the training rows, which prepared data do not have."""
    prepared = [isinstance(one.source, Prepared) for one in recipe.data.train_sources.values()]
    if any(prepared) and recipe.evaluation.classical and has_labels(recipe.task):
        message = "TF-IDF is fitted on the words of the training rows, and prepared data are tokens"
        yield ("evaluation", "classical"), message, "say false"
    if all(prepared) and isinstance(recipe.model, Scratch):
        message = "the tokenizer of a model from scratch is trained on the training rows, and prepared data are tokens"
        yield ("model", "kind"), message, "say pretrained, with the model whose tokenizer the data were prepared with"


def _mixture(recipe: Recipe) -> Findings:
    if not isinstance(recipe.data.train, Mixture):
        return
    training, why = recipe.training, "the sources of a mixture end at different times"
    if training.max_steps is None:
        yield ("training", "max_steps"), f"{why}, so nothing else says when the run does", "give a number of steps"
    for name in ("logging_strategy", "eval_strategy", "save_strategy"):
        if getattr(training, name) == "epoch":
            yield ("training", name), f"{why}, so it has no epochs", "say steps"

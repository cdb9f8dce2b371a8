"""What evaluation during training, the optimiser and the batch ask of each other and of other sections."""

from collections.abc import Iterator

from launcher.recipe.optimizers import optimizer_refusal
from launcher.recipe.problem import KeyPath
from launcher.recipe.recipe import Recipe
from launcher.recipe.table import DEVICES
from launcher.recipe.task import has_labels

Findings = Iterator[tuple[KeyPath, str, str | None]]


def training_findings(recipe: Recipe) -> Findings:
    """Each contradiction of `training` with another section: key path, message, mend."""
    yield from _validation_rows(recipe)
    yield from _label_metric(recipe)
    yield from _optimizer(recipe)
    yield from _chosen_batch(recipe)


def _validation_rows(recipe: Recipe) -> Findings:
    split = recipe.data.split
    from_split = split is not None and split.validation_per_class > 0
    if recipe.training.eval_strategy != "no" and recipe.data.validation is None and not from_split:
        mend = "give data.validation (a source) or data.split.validation_per_class"
        yield ("training", "eval_strategy"), "there are no validation rows to evaluate on", mend


def _label_metric(recipe: Recipe) -> Findings:
    if recipe.training.needs_label_metric and not has_labels(recipe.task):
        message = f"{recipe.training.metric_for_best_model} needs a task with labels"
        yield ("training", "metric_for_best_model"), message, "say loss"


def _optimizer(recipe: Recipe) -> Findings:
    """Told here where it can run on no device; the plan knows the device."""
    reasons = {optimizer_refusal(recipe.training.optim, device, recipe.strategy.key) for device in DEVICES}
    if None not in reasons:
        yield ("training", "optim"), " ".join(sorted(filter(None, reasons))), None


def _chosen_batch(recipe: Recipe) -> Findings:
    training = recipe.training
    if training.per_device_train_batch_size == "auto" and training.global_batch_size is None:
        message = "rows a step would hang on the machine that trains"
        yield ("training", "per_device_train_batch_size"), message, "give training.global_batch_size too"

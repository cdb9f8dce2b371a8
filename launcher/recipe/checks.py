"""What one section of a recipe says against another."""

from collections.abc import Iterator
from itertools import chain

from launcher.recipe.data_checks import data_findings
from launcher.recipe.during_training import training_findings
from launcher.recipe.encoder import encoder_refusal
from launcher.recipe.explain import mark_of
from launcher.recipe.method_checks import method_findings
from launcher.recipe.model import Scratch
from launcher.recipe.possible import combination, combination_refusal, settled
from launcher.recipe.problem import KeyPath, Problem, dotted
from launcher.recipe.recipe import Recipe
from launcher.recipe.schema import nearest
from launcher.recipe.table import DEVICES, refusal
from launcher.recipe.task import Instruction, SequenceClassification, Task, template_fields
from launcher.recipe.yaml_source import Document


def check_sections(recipe: Recipe, document: Document) -> list[Problem]:
    """Every contradiction between sections that are valid by themselves."""
    sections = (_labels(recipe), _templates(recipe.task), _encoder(recipe), _combination(recipe))
    findings = chain(*sections, method_findings(recipe), training_findings(recipe), data_findings(recipe))
    return [Problem(mark_of(path, document), dotted(path), message, hint) for path, message, hint in findings]


_Findings = Iterator[tuple[KeyPath, str, str | None]]


def _labels(recipe: Recipe) -> _Findings:
    task = recipe.task
    if isinstance(task, SequenceClassification):
        known, key = task.labels, "labels"
    else:
        known, key = list(task.label_words or ()) if isinstance(task, Instruction) else [], "label_words"
    own = {path: one.labels or {} for path, one in recipe.data.train_sources.items()}
    for path, labels in {"data": recipe.data.labels, **own}.items():
        for written, name in labels.items():
            if known and name not in known:
                message, where = f"label {name!r} is not in task.{key}", (*path.split("."), "labels", written)
                yield where, message, nearest(name, known) or f"known are {', '.join(known)}"


def _templates(task: Task) -> _Findings:
    if not isinstance(task, Instruction | SequenceClassification):
        return
    key, template = ("prompt", task.prompt) if isinstance(task, Instruction) else ("text", task.text)
    if "label" in template_fields(template):
        yield ("task", key), "{label} would show the model its answer", "remove it"
    if isinstance(task, Instruction) and task.label_words and set(template_fields(task.completion)) != {"label"}:
        message = "with label_words a completion has the field {label} and no other"
        yield ("task", "completion"), message, "say {label} once"


def _encoder(recipe: Recipe) -> _Findings:
    if isinstance(recipe.model, Scratch):
        reason = encoder_refusal(recipe.model.architecture, recipe.task.kind)
        if reason is not None:
            yield ("model", "architecture"), reason, None


def _combination(recipe: Recipe) -> _Findings:
    """Told here where no device can; the plan knows the device."""
    reasons = {combination_refusal(recipe, device) for device in DEVICES}
    if None not in reasons:
        yield _to_blame(recipe), " ".join(sorted(filter(None, reasons))), None


def _to_blame(recipe: Recipe) -> KeyPath:
    """The field to change, of those that make a combination impossible."""
    padded = (combination(each, device)._replace(mode="padded") for each in settled(recipe) for device in DEVICES)
    if any(refusal(key) is None for key in padded):
        return "training", "packing"
    said = [key for key in ("offload_param", "offload_optimizer") if getattr(recipe.strategy, key, False)]
    return "strategy", *(said or ["zero_stage"])[:1]

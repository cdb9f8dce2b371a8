"""What one section of a recipe says against another."""

from collections.abc import Iterator

from launcher.recipe.explain import mark_of
from launcher.recipe.problem import KeyPath, Problem, dotted
from launcher.recipe.recipe import Recipe
from launcher.recipe.schema import nearest
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.table import DEVICES, refusal
from launcher.recipe.task import Instruction, Task, template_fields
from launcher.recipe.yaml_source import Document


def check_sections(recipe: Recipe, document: Document) -> list[Problem]:
    """Every contradiction between sections that are valid by themselves."""
    findings = (*_labels(recipe), *_templates(recipe.task), *_combination(recipe))
    return [Problem(mark_of(path, document), dotted(path), message, hint) for path, message, hint in findings]


_Findings = Iterator[tuple[KeyPath, str, str | None]]


def _labels(recipe: Recipe) -> _Findings:
    task = recipe.task
    known = list(task.label_words or ()) if isinstance(task, Instruction) else task.labels
    key = "label_words" if isinstance(task, Instruction) else "labels"
    for written, name in recipe.data.labels.items():
        if known and name not in known:
            message = f"label {name!r} is not in task.{key}"
            yield ("data", "labels", written), message, nearest(name, known) or f"known are {', '.join(known)}"


def _templates(task: Task) -> _Findings:
    key, template = ("prompt", task.prompt) if isinstance(task, Instruction) else ("text", task.text)
    if "label" in template_fields(template):
        yield ("task", key), "{label} would show the model its answer", "remove it"
    if isinstance(task, Instruction) and task.label_words and set(template_fields(task.completion)) != {"label"}:
        message = "with label_words a completion has the field {label} and no other"
        yield ("task", "completion"), message, "say {label} once"


def _combination(recipe: Recipe) -> _Findings:
    strategy = recipe.strategy
    parts = (recipe.method.kind, strategy.key, recipe.task.kind)
    reasons = {refusal(*parts, device) for device in DEVICES}
    if None not in reasons:
        key = "zero_stage" if isinstance(strategy, DeepSpeed) else "kind"
        yield ("strategy", key), f"{' + '.join(parts)} is refused: {' '.join(sorted(filter(None, reasons)))}", None

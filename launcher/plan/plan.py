"""A recipe on a machine, worked out before anything starts."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from launcher.data.dataset import Dataset
from launcher.data.prepared.manifest import Totals
from launcher.errors import InvalidInput
from launcher.plan.batch import BatchPlan, plan_batches
from launcher.plan.parameters import ParameterCount, count_parameters
from launcher.plan.placement import Placement
from launcher.recipe.encoder import encoder_refusal
from launcher.recipe.model import Pretrained
from launcher.recipe.packing import packing_refusal
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Plan:
    recipe: str
    method: str
    strategy: str
    task: str
    precision: str
    placement: Placement
    batches: BatchPlan
    test_rows: int
    validation_rows: int
    dropped_rows: int
    parameters: ParameterCount | None
    """None where the architecture is not known before the model is loaded; added tokens count as new ones."""


def make_plan(
    recipe: Recipe, placement: Placement, dataset: Dataset, config: dict[str, Any], prepared: Sequence[Totals] = ()
) -> Plan:
    """Work out a plan from a model's config.json and the rows at hand.

    Args:
        prepared: What the prepared data sets among the sources hold.

    Raises:
        InvalidInput: the combination is refused, or rows may be longer than the model's positions.
    """
    reason = recipe_refusal(recipe, placement.device)
    if reason is not None:
        raise InvalidInput(f"on {placement.device}, {reason}")
    if reason := encoder_refusal(config.get("model_type"), recipe.task.kind):
        raise InvalidInput(f"model: {reason}")
    if recipe.training.packing and (reason := packing_refusal(config.get("model_type"))):
        raise InvalidInput(f"model: {reason}")
    positions = config.get("max_position_embeddings")
    if positions is not None and recipe.training.max_length > positions:
        raise InvalidInput(
            f"training.max_length: {recipe.training.max_length} tokens do not fit the model's {positions} positions; "
            f"give {positions} at the most"
        )
    documents = len(dataset.train) + sum(each.documents for each in prepared)
    tokens = None if dataset.train else sum(each.tokens for each in prepared)
    new_tokens = len(set(recipe.model.add_tokens)) if isinstance(recipe.model, Pretrained) else 0
    return Plan(
        recipe=recipe.name,
        method=recipe.method.kind,
        strategy=recipe.strategy.key,
        task=recipe.task.kind,
        precision=recipe.training.precision,
        placement=placement,
        batches=plan_batches(recipe.training, world=placement.workers, documents=documents, tokens=tokens),
        test_rows=len(dataset.test),
        validation_rows=len(dataset.validation),
        dropped_rows=dataset.dropped,
        parameters=count_parameters(config, recipe.method, recipe.task, new_tokens=new_tokens),
    )


def plan_json(plan: Plan) -> str:
    """The plan for a program, with what follows from its batches."""
    told = asdict(plan)
    batches = plan.batches
    told["batches"] |= {name: getattr(batches, name) for name in ("steps", "epochs", "documents_consumed")}
    return json.dumps(told, indent=1)


def batch_lines(batches: BatchPlan) -> list[str]:
    """The batch arithmetic for a reader."""
    steps = "known once packs are counted" if batches.steps is None else f"{batches.steps:,}"
    epochs = "" if batches.epochs is None else f" ({batches.epochs:.3g} epochs)"
    return [
        f"batch     {batches.global_batch} rows a step = {batches.world} workers x {batches.accumulation} "
        f"micro-batches of {batches.micro_batch} at most",
        f"steps     {steps}{epochs}",
    ]


def plan_lines(plan: Plan) -> list[str]:
    """The plan for a reader, a line each."""
    batches = plan.batches
    validation = f"{plan.validation_rows:,} to evaluate on while training, " if plan.validation_rows else ""
    rows = f"{batches.documents:,} to train on, {validation}{plan.test_rows:,} to test on"
    if plan.dropped_rows:
        rows += f" ({plan.dropped_rows:,} repeated or contradictory left out)"
    lines = [
        f"recipe    {plan.recipe}: {plan.method}, {plan.task}, {plan.strategy}, {plan.precision}",
        f"workers   {batches.world} on {plan.placement.device}, {plan.placement.threads} threads each",
        f"rows      {rows}",
        *batch_lines(batches),
    ]
    if plan.parameters is not None:
        total, trainable = plan.parameters.total, plan.parameters.trainable
        lines.append(f"weights   {total:,}, of which {trainable:,} are trained ({trainable / total:.1%})")
    return lines

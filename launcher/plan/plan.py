"""A recipe on a machine, worked out before anything starts."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from launcher.errors import InvalidInput
from launcher.plan.batch import BatchPlan, plan_batches
from launcher.plan.counts import RowCounts
from launcher.plan.parameters import ParameterCount, count_parameters
from launcher.plan.placement import Placement
from launcher.recipe.encoder import encoder_refusal
from launcher.recipe.liger import liger_model_refusal
from launcher.recipe.model import Pretrained
from launcher.recipe.packing import packing_refusal
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.recipe import Recipe


class DeviceRefuses(InvalidInput):
    """The recipe cannot train on this kind of device; it may on another."""


@dataclass(frozen=True, slots=True)
class Plan:
    recipe: str
    method: str
    strategy: str
    task: str
    precision: str
    placement: Placement
    batches: BatchPlan
    rows: RowCounts
    parameters: ParameterCount | None
    """None where the architecture is not known before the model is loaded; added tokens count as new ones."""


def make_plan(recipe: Recipe, placement: Placement, rows: RowCounts, config: dict[str, Any]) -> Plan:
    """Work out a plan from a model's config.json and the number of rows.

    Raises:
        DeviceRefuses: the combination is refused on the device.
        InvalidInput: task and model do not go together, or rows may be longer than the model's positions.
    """
    reason = recipe_refusal(recipe, placement.device)
    if reason is not None:
        raise DeviceRefuses(f"on {placement.device}, {reason}")
    if reason := encoder_refusal(config.get("model_type"), recipe.task.kind):
        raise InvalidInput(f"model: {reason}")
    if recipe.training.packing and (reason := packing_refusal(config.get("model_type"))):
        raise InvalidInput(f"model: {reason}")
    if recipe.training.use_liger_kernel and (reason := liger_model_refusal(config.get("model_type"))):
        raise InvalidInput(f"training.use_liger_kernel: {reason}")
    positions = config.get("max_position_embeddings")
    if positions is not None and recipe.training.max_length > positions:
        raise InvalidInput(
            f"training.max_length: {recipe.training.max_length} tokens do not fit the model's {positions} positions; "
            f"give {positions} at the most"
        )
    new_tokens = len(set(recipe.model.add_tokens)) if isinstance(recipe.model, Pretrained) else 0
    return Plan(
        recipe=recipe.name,
        method=recipe.method.kind,
        strategy=recipe.strategy.key,
        task=recipe.task.kind,
        precision=recipe.training.precision,
        placement=placement,
        batches=plan_batches(recipe.training, world=placement.workers, documents=rows.train, tokens=rows.tokens),
        rows=rows,
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
    unknown = "not known, as the rows are not" if batches.documents is None else "known once packs are counted"
    steps = unknown if batches.steps is None else f"{batches.steps:,}"
    epochs = "" if batches.epochs is None else f" ({batches.epochs:.3g} epochs)"
    return [
        f"batch     {batches.global_batch} rows a step = {batches.world} workers x {batches.accumulation} "
        f"micro-batches of {batches.micro_batch} at most",
        f"steps     {steps}{epochs}",
    ]


def plan_lines(plan: Plan) -> list[str]:
    """The plan for a reader, a line each."""
    batches = plan.batches
    lines = [
        f"recipe    {plan.recipe}: {plan.method}, {plan.task}, {plan.strategy}, {plan.precision}",
        f"workers   {batches.world} on {plan.placement.device}, {plan.placement.threads} threads each",
        f"rows      {_rows(plan.rows)}",
        *batch_lines(batches),
    ]
    if plan.parameters is not None:
        total, trainable = plan.parameters.total, plan.parameters.trainable
        lines.append(f"weights   {total:,}, of which {trainable:,} are trained ({trainable / total:.1%})")
    return lines


def _rows(rows: RowCounts) -> str:
    """How many rows there are, and how that is known."""
    if rows.train is None:
        return "not read, as not all are on this machine: say --rows N, or --data to read them"
    told = [f"{rows.train:,} to train on"]
    told += [f"{rows.validation:,} to evaluate on while training"] if rows.validation else []
    told += [] if rows.test is None else [f"{rows.test:,} to test on"]
    dropped = f" ({rows.dropped:,} repeated or contradictory left out)" if rows.dropped else ""
    how = {"published": ", as published; --data reads them", "given": ", as given"}.get(rows.known, "")
    return f"{', '.join(told)}{dropped}{how}"

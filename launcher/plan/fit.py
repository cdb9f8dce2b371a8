"""The nearest configuration that fits, where the one asked for does not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from launcher.plan.choose import can_train, choose
from launcher.plan.hardware import Hardware
from launcher.plan.memory import estimate, setting_of
from launcher.plan.saving import checkpoint_bytes
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import Auto, DeepSpeed, Strategy

MOST_GPUS = 1024
Change = tuple[str, ...]
"""Overrides, as they are written on the command line."""


@dataclass(frozen=True, slots=True)
class Fit:
    changes: Change
    gpus: int
    peak: int
    """Bytes of a rank."""
    host: int
    """Bytes of a node's host memory, beside the processes themselves."""


@dataclass(frozen=True, slots=True)
class _Option:
    changes: Change
    recipe: Recipe


def nearest_fit(recipe: Recipe, config: dict[str, Any], hardware: Hardware) -> Fit | None:
    """The fewest changes that make a recipe fit the memory of `hardware`, or of more of the same; None where none does.

    Of equally many changes, the one that costs the least speed: scoring fewer rows, checkpointing, smaller
    micro-batches, a higher ZeRO stage, offload. The global batch and what is learnt stay as they are.
    """
    if hardware.memory is None:
        return None
    options = sorted(_options(recipe), key=lambda option: len(option.changes))
    sizes = [hardware.world]
    while hardware.device == "cuda" and 2 * sizes[-1] <= MOST_GPUS:
        sizes.append(2 * sizes[-1])
    for gpus in sizes:
        for option in options:
            found = _try(option, config, hardware.of_size(gpus) if gpus != hardware.world else hardware)
            if found is not None:
                return found
    return None


def _try(option: _Option, config: dict[str, Any], hardware: Hardware) -> Fit | None:
    if not can_train(option.recipe, hardware.device) or hardware.memory is None:
        return None
    recipe = choose(option.recipe, config, hardware)
    setting = setting_of(recipe, config, hardware.world, hardware.device)
    if setting is None:
        return None
    saves = recipe.training.saving != "no"
    told = estimate(setting, checkpoint_bytes(setting) // setting.world if saves else 0)
    host = told.host * hardware.node_ranks
    roomy = hardware.host is None or host <= hardware.host
    return Fit(option.changes, hardware.world, told.peak, host) if told.peak <= hardware.memory and roomy else None


def _options(recipe: Recipe) -> Iterator[_Option]:
    """Every combination of what may be changed, each from the least to the most."""
    for strategy, micro, checkpointing, scored in product(
        _strategies(recipe), _halves(recipe.training.per_device_train_batch_size), _checkpointing(recipe), (False, True)
    ):
        changed, changes = recipe, []
        if scored and recipe.evaluation.batch_size > 1:
            changes.append("evaluation.batch_size=1")
            changed = _with(changed, "evaluation", batch_size=1)
        if checkpointing:
            changes.append("training.gradient_checkpointing=true")
            changed = _with(changed, "training", gradient_checkpointing=True)
        if micro is not None:
            fields = _same_global_batch(recipe, micro)
            changes += [f"training.{name}={value}" for name, value in fields.items()]
            changed = _with(changed, "training", **fields)
        if strategy is not None:
            changes += _said(strategy, recipe.strategy)
            changed = changed.model_copy(update={"strategy": strategy})
        yield _Option(tuple(changes), changed)


def _strategies(recipe: Recipe) -> Iterator[Strategy | None]:
    """None, and then what shares or offloads more than the recipe's own, where it names one."""
    yield None
    if isinstance(recipe.strategy, Auto):
        return
    own = recipe.strategy.zero_stage if isinstance(recipe.strategy, DeepSpeed) else -1
    for stage, offloads in ((2, ()), (3, ()), (2, ("optimizer",)), (3, ("optimizer",)), (3, ("optimizer", "param"))):
        if stage > own or (stage == own and offloads):
            yield DeepSpeed.model_validate(
                {"kind": "deepspeed", "zero_stage": stage, **{f"offload_{part}": True for part in offloads}}
            )


def _said(strategy: Strategy, own: Strategy) -> list[str]:
    """What differs, as overrides."""
    before, after = own.model_dump(mode="json"), strategy.model_dump(mode="json", exclude_unset=True)
    return [f"strategy.{name}={_text(value)}" for name, value in after.items() if before.get(name) != value]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _halves(micro: int | Literal["auto"]) -> Iterator[int | None]:
    yield None
    while micro != "auto" and micro > 1:
        micro //= 2
        yield micro


def _checkpointing(recipe: Recipe) -> tuple[bool, ...]:
    return (False,) if recipe.training.gradient_checkpointing else (False, True)


def _same_global_batch(recipe: Recipe, micro: int) -> dict[str, int]:
    training = recipe.training
    fields = {"per_device_train_batch_size": micro}
    if training.global_batch_size is None:
        before = (training.gradient_accumulation_steps or 1) * training.micro_batch
        fields["gradient_accumulation_steps"] = -(-before // micro)
    return fields


def _with(recipe: Recipe, section: str, **fields: object) -> Recipe:
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=fields)})

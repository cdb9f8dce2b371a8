"""A plan from a recipe and a profile alone: what `launcher plan` prints and `launcher run` starts from."""

from dataclasses import dataclass
from typing import Any

from launcher.cluster.machine import this_machine
from launcher.cluster.profile import Local
from launcher.data.dataset import Dataset, load_dataset
from launcher.data.prepared.verify import read_manifest
from launcher.errors import InvalidInput
from launcher.model.config import model_config
from launcher.plan.placement import place
from launcher.plan.plan import Plan, make_plan
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with what it was worked out from."""

    plan: Plan
    dataset: Dataset
    config: dict[str, Any]
    """The base model's config.json."""


def preview(recipe: Recipe, profile: Local) -> Preview:
    """Read configuration and rows, and plan.

    Raises:
        InvalidInput: something is missing, does not fit together, or does not fit the machine.
    """
    machine = this_machine()
    placement = place(profile, machine)
    if recipe.training.precision == "fp16" and placement.device == "cpu" and not machine.cpu_fp16:
        raise InvalidInput("training.precision: this machine's CPUs do not compute in fp16; say bf16 or fp32")
    config = model_config(recipe.model)
    dataset = load_dataset(recipe)
    prepared = [read_manifest(Store.open(each.prepared)).totals for each in dataset.sources if each.prepared]
    return Preview(make_plan(recipe, placement, dataset, config, prepared), dataset, config)

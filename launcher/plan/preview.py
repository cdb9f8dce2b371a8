"""A plan from a recipe and a profile alone: what `launcher plan` prints and `launcher run` starts from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.cluster.machine import this_machine
from launcher.cluster.profile import Local, Profile
from launcher.data.dataset import Dataset, load_dataset
from launcher.data.prepared.verify import read_manifest
from launcher.errors import InvalidInput
from launcher.model.config import model_config
from launcher.model.fetch import is_local
from launcher.plan.choose import choose
from launcher.plan.counts import RowCounts, count_read
from launcher.plan.hardware import Hardware, elsewhere, here
from launcher.plan.placement import place
from launcher.plan.plan import Plan, make_plan
from launcher.plan.shapes import known_config
from launcher.recipe.model import Model, Pretrained
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class Machines:
    """Accelerators that are not here."""

    gpus: int
    accelerator: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with what it was worked out from."""

    recipe: Recipe
    """As planned: with what it leaves open (`auto`) settled."""
    plan: Plan
    dataset: Dataset
    """Empty where rows were not read."""
    config: dict[str, Any]
    """The base model's config.json."""
    hardware: Hardware


def preview(
    recipe: Recipe,
    profile: Profile,
    machines: Machines | None = None,
    price: float | None = None,
    rows: RowCounts | None = None,
) -> Preview:
    """Read configuration and rows, and plan.

    Args:
        machines: Plan for these instead of this machine.
        price: Of an accelerator's hour, in place of the profile's.
        rows: What is known of the rows, which then are not read.

    Raises:
        InvalidInput: something is missing, does not fit together, or does not fit the machine.
    """
    price = profile.price_per_gpu_hour if price is None else price
    if machines is not None:
        hardware = elsewhere(machines.gpus, machines.accelerator, profile, price)
    else:
        machine = this_machine()
        hardware = here(place(profile, machine), machine, profile, price)
        if (
            recipe.training.precision == "fp16"
            and hardware.device == "cpu"
            and not machine.cpu_fp16
            and isinstance(profile, Local)
        ):
            raise InvalidInput("training.precision: this machine's CPUs do not compute in fp16; say bf16 or fp32")
    config = planned_config(recipe.model)
    dataset = Dataset((), (), 0)
    if rows is None:
        dataset = load_dataset(recipe)
        prepared = [read_manifest(Store.open(each.prepared)).totals for each in dataset.sources if each.prepared]
        rows = count_read(dataset, prepared)
    recipe = choose(recipe, config, hardware)
    return Preview(recipe, make_plan(recipe, hardware.placement, rows, config), dataset, config, hardware)


def planned_config(model: Model) -> dict[str, Any]:
    """What the model's config.json says, where it is at hand; a known architecture, so that no network is needed; or
    what the hub says.

    Raises:
        InvalidInput: the model cannot be had, or its config.json is no JSON object.
    """
    if isinstance(model, Pretrained) and "://" not in model.name_or_path and not is_local(model.name_or_path):
        known = known_config(model.name_or_path)
        if known is not None and not _is_cached(model):
            return known
    return model_config(model)


def _is_cached(model: Pretrained) -> bool:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model.name_or_path, "config.json", revision=model.revision)
    return isinstance(found, str) and Path(found).is_file()

"""The plan of the recipe as it is, without its rows being read."""

from launcher.cluster.machine import Machine
from launcher.cluster.profile import Local, Profile
from launcher.dryrun.shrink import WORKERS
from launcher.plan.counts import RowCounts, count_unread
from launcher.plan.outlook import look_ahead
from launcher.plan.placement import place
from launcher.plan.preview import Machines, Preview, preview
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.recipe import Recipe

ELSEWHERE = Machines(WORKERS, "H100")
"""What a recipe is planned for that cannot train on this machine, where the profile names no other."""


def planned(recipe: Recipe, profile: Profile, machine: Machine) -> Preview:
    """For the profile's machines.

    Args:
        machine: This one.

    Raises:
        InvalidInput: something of the recipe does not go together, or its model's configuration cannot be had.
    """
    machines = ELSEWHERE if isinstance(profile, Local) and not _trains_here(recipe, profile, machine) else None
    rows = count_unread(recipe) or RowCounts(None, None, None, known="unknown")
    return preview(recipe, profile, machines, rows=rows)


def plan_line(ahead: Preview, profile: Profile) -> str:
    """What is trained how, and for machines elsewhere the memory that it takes."""
    plan, hardware = ahead.plan, ahead.hardware
    told = f"{plan.method}, {plan.task}, {plan.strategy}, {plan.precision}"
    outlook = look_ahead(ahead.recipe, ahead.config, plan.batches, hardware)
    if isinstance(profile, Local) or outlook is None or outlook.room is None:
        return told
    peak, room = (each / 2**30 for each in (outlook.memory.peak, outlook.room))
    return f"{told}; {peak:.1f} of {room:.1f} GiB on each of {hardware.world} workers"


def _trains_here(recipe: Recipe, profile: Local, machine: Machine) -> bool:
    device = place(profile, machine).device
    computes = recipe.training.precision != "fp16" or device != "cpu" or machine.cpu_fp16
    return computes and recipe_refusal(recipe, device) is None

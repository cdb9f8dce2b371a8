"""A recipe and a profile -> what machines are asked for."""

import uuid
from collections.abc import Iterator

from launcher.cluster.common import ManyNodes
from launcher.cluster.machine import this_machine
from launcher.cluster.profile import Profile, Slurm
from launcher.doctor.verdict import Ask, Need
from launcher.plan.placement import Placement, place
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store

GATED = "meta-llama/"
"""On the hub, given to those who have asked for it."""


def asked(recipe: Recipe | None, profile: Profile, *, away: bool) -> Ask:
    """What every machine is asked.

    Args:
        away: This machine is not one of the profile's.

    Raises:
        InvalidInput: recipe or profile do not fit together, or not this machine.
    """
    machine = this_machine()
    placement = place(profile, machine)
    return Ask(
        storage=Store.open(profile.storage).location,
        cache=profile.cache_folder,
        probe=f".probe-{uuid.uuid4().hex}",
        device=placement.device,
        ranks=placement.workers // placement.nodes,
        cores=profile.cpus_per_node if isinstance(profile, ManyNodes) else machine.cores,
        space=0 if recipe is None else _space(recipe, placement),
        needs=tuple(_needs(recipe, profile, away=away)),
        paths=() if recipe is None else tuple(_paths(recipe)),
    )


def _needs(recipe: Recipe | None, profile: Profile, *, away: bool) -> Iterator[Need]:
    many = isinstance(profile, ManyNodes)
    if away and not (isinstance(profile, Slurm) and profile.secrets_file is None):
        return  # its values come from elsewhere than this machine's environment
    yield from (Need(name, "cluster.secrets names it", handed=many) for name in profile.secrets)
    if many and not away:
        yield from (Need(name, "cluster.environment sets it") for name in profile.environment)
    if recipe is None:
        return
    named = {*profile.secrets, *profile.environment}
    if "wandb" in recipe.tracking.report_to and recipe.tracking.wandb.mode == "online" and "WANDB_API_KEY" not in named:
        yield Need("WANDB_API_KEY", "tracking.report_to has wandb")
    model = recipe.model
    if isinstance(model, Pretrained) and model.name_or_path.startswith(GATED) and "HF_TOKEN" not in named:
        yield Need("HF_TOKEN", "the hub gives this model to those who have asked", strict=False)


def _paths(recipe: Recipe) -> list[tuple[str, str]]:
    """Of what every worker reads itself."""
    from launcher.backends.submission import local_paths

    return [(key, path) for key, path in local_paths(recipe) if key.startswith(("model.", "method."))]


def _space(recipe: Recipe, placement: Placement) -> int:
    """Bytes of the checkpoints that are kept, and of the one that is being written; 0 where the plan does not know."""
    from launcher.plan.memory import setting_of
    from launcher.plan.preview import planned_config
    from launcher.plan.saving import checkpoint_bytes

    training = recipe.training
    setting = setting_of(recipe, planned_config(recipe.model), placement.workers, placement.device)
    if setting is None or training.saving == "no":
        return 0
    return checkpoint_bytes(setting) * ((training.save_total_limit or 0) + training.save_keep_best + 1)

"""What a recipe leaves open (`auto`): the fastest strategy and micro-batch that fit."""

from collections.abc import Iterator
from typing import Any

from launcher.errors import InvalidInput
from launcher.plan.batch import plan_batches
from launcher.plan.hardware import Hardware
from launcher.plan.outlook import look_ahead
from launcher.plan.plan import DeviceRefuses
from launcher.recipe.method_checks import method_findings
from launcher.recipe.possible import recipe_refusal, settled
from launcher.recipe.recipe import Recipe

ENOUGH_TOKENS = 8192
"""Of a micro-batch, from which on a larger one is taken to be no faster: an assumption."""


def choose(recipe: Recipe, config: dict[str, Any], hardware: Hardware) -> Recipe:
    """The recipe with `auto` settled for these machines; a recipe that leaves nothing open is itself.

    Of all that fit: the least time of a step, then micro-batches of enough tokens, then the plainest strategy and the
    smallest micro-batch. Where nothing fits, what comes nearest.

    Raises:
        InvalidInput: what fits is not known, or the recipe cannot train there.
    """
    open_batch = recipe.training.per_device_train_batch_size == "auto"
    strategies = settled(recipe)
    if not open_batch and strategies == [recipe]:
        return recipe
    place = "strategy.kind" if not open_batch else "training.per_device_train_batch_size"
    if hardware.memory is None:
        raise InvalidInput(f"{place}: auto asks how much memory a worker has: name the accelerator, or a value")
    best: tuple[tuple[float, ...], Recipe] | None = None
    for order, each in enumerate(strategies):
        for option in _micro_batches(each, hardware.world) if open_batch else [each]:
            if not can_train(option, hardware.device):
                continue
            batches = plan_batches(option.training, world=hardware.world, documents=None)
            ahead = look_ahead(option, config, batches, hardware)
            if ahead is None:
                raise InvalidInput(f"{place}: auto knows no memory of {config.get('model_type')}; name a value")
            slow = 0.0 if ahead.speed is None else ahead.speed.step_s
            micro = option.training.micro_batch
            few = -min(micro * option.training.max_length, ENOUGH_TOKENS)
            rank = (0, slow, few, order, micro) if ahead.fits else (1, ahead.memory.peak)
            if best is None or rank < best[0]:
                best = rank, option
    if best is None:
        raise DeviceRefuses(f"on {hardware.device}, {recipe_refusal(strategies[0], hardware.device)}")
    return best[1]


def can_train(recipe: Recipe, device: str) -> bool:
    """Whether no table and no check refuses it."""
    return recipe_refusal(recipe, device) is None and not any(method_findings(recipe))


def _micro_batches(recipe: Recipe, world: int) -> Iterator[Recipe]:
    """By doubling, up to what one rank has of a step."""
    rows = recipe.training.global_batch_size
    assert rows is not None, "the recipe was checked"
    micro, share = 1, -(-rows // world)
    while True:
        update = {"per_device_train_batch_size": micro}
        yield recipe.model_copy(update={"training": recipe.training.model_copy(update=update)})
        if micro == share:
            return
        micro = min(2 * micro, share)

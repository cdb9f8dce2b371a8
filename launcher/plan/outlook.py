"""What a run will need and take: memory, time, cost and commits, beside the plan of its rows and steps."""

from dataclasses import dataclass
from typing import Any

from launcher.plan.batch import BatchPlan
from launcher.plan.hardware import Hardware
from launcher.plan.memory import Memory, estimate, setting_of
from launcher.plan.saving import Saves, expect_saves
from launcher.plan.speed import Speed, expect
from launcher.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Outlook:
    memory: Memory
    room: int | None
    """Bytes that one worker may take of its device, where that is known."""
    host_room: int | None
    """Bytes that one worker may take of its host, where that is known."""
    saves: Saves
    speed: Speed | None
    """None where the accelerator's peak is not known."""

    @property
    def fits(self) -> bool:
        on_device = self.room is None or self.memory.peak <= self.room
        return on_device and (self.host_room is None or self.memory.host <= self.host_room)


def look_ahead(recipe: Recipe, config: dict[str, Any], batches: BatchPlan, hardware: Hardware) -> Outlook | None:
    """An outlook, or None where the model's architecture is not known.

    Raises:
        InvalidInput: the method names a module that the model does not have.
    """
    setting = setting_of(recipe, config, hardware.world, hardware.device)
    if setting is None:
        return None
    speed = expect(setting, batches, hardware)
    saves = expect_saves(setting, batches, hardware, None if speed is None else speed.step_s)
    snapshot = 0 if recipe.training.saving == "no" else saves.rank_size
    host_room = None if hardware.host is None else hardware.host // hardware.node_ranks
    return Outlook(estimate(setting, snapshot), hardware.memory, host_room, saves, speed)

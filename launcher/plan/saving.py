"""What checkpoints come to: bytes, times, how often, and what failures leave of the time."""

from dataclasses import dataclass

from launcher.checkpoint.interval import interval_s
from launcher.interrupt.lead import lead_s
from launcher.plan.batch import BatchPlan
from launcher.plan.hardware import Hardware
from launcher.plan.moments import moment_bytes
from launcher.plan.setting import Setting
from launcher.recipe.training import Training, in_steps

COPY = {"cuda": 0.8, "cpu": 8e9}
"""A snapshot's speed: a share of PCIe's, as memory is pinned (an assumption); on a CPU bytes a second of a rank of two
(13e9 for one alone in benchmarks/results/2026-11-21-checkpoint.md)."""
STORE = 1e9
"""Bytes a second that a node uploads: an assumption."""
RESTART_S = 120.0
"""From a failure to the next step: an assumption."""
BUDGET, MINUTES, STEPS = 0.01, 15.0, 500


@dataclass(frozen=True, slots=True)
class Saves:
    size: int
    """Bytes of a checkpoint."""
    rank_size: int
    """Bytes of one rank's snapshot, in host memory."""
    stall_s: float
    """That the loop waits."""
    upload_s: float
    """Behind the loop's back, to the commit."""
    interval_s: float | None
    """Between saves; None where only an epoch or the run's end is saved."""
    goodput: float | None
    """Share of the time that goes into steps which count."""
    lead_s: float | None
    """An interruption has to be told so long ahead for its step to be committed."""


def expect_saves(setting: Setting, batches: BatchPlan, hardware: Hardware, step_s: float | None) -> Saves:
    """What saving comes to; without a step's time only what does not depend on it.

    Goodput: a save costs its stall, and a failure half an interval and a restart (Daly,
    https://doi.org/10.1016/j.future.2004.11.016, section 2).
    """
    size = checkpoint_bytes(setting)
    rank_size = -(-size // setting.world)
    stall_s = rank_size / _copy_speed(hardware)
    upload_s = rank_size * hardware.node_ranks / STORE
    mtbf = hardware.failure_s / hardware.nodes
    every = _interval(setting.recipe.training, batches, step_s, (stall_s, upload_s, mtbf))
    goodput = None if every is None else max(0.0, 1 - stall_s / every - (every / 2 + RESTART_S) / mtbf)
    lead = None if step_s is None else lead_s(step_s, stall_s, upload_s)
    return Saves(size, rank_size, stall_s, upload_s, every, goodput, lead)


def checkpoint_bytes(setting: Setting) -> int:
    """Trained weights in fp32, and what the optimiser remembers."""
    moments = sum(moment_bytes(setting.recipe.training.optim, part) for part in setting.parts if part.trained)
    return 4 * setting.trained() + moments


def _copy_speed(hardware: Hardware) -> float:
    if hardware.device == "cpu" or hardware.accelerator is None:
        return COPY["cpu"]
    return COPY["cuda"] * hardware.accelerator.host


def _interval(
    training: Training, batches: BatchPlan, step_s: float | None, costs: tuple[float, float, float]
) -> float | None:
    if training.saving == "auto":  # saves come between steps
        return max(interval_s(*costs, training.save_budget or BUDGET), step_s or 0.0)
    if training.saving == "minutes":
        return 60 * (training.save_minutes or MINUTES)
    steps = training.save_steps if training.save_steps is not None else STEPS
    if training.saving != "steps" or not steps or step_s is None or batches.steps is None:
        return None
    return in_steps(steps, batches.steps) * step_s

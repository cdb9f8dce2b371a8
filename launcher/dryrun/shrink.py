"""A recipe -> what of it a laptop can do in seconds: the same strategy, method, task and packing, fewer of everything.

Model and data are seen to elsewhere: `base.py` and `rows.py`.
"""

from dataclasses import dataclass
from typing import Any

from launcher.cluster.machine import Machine
from launcher.dryrun.architecture import LAYERS
from launcher.dryrun.base import Base
from launcher.plan.preview import Preview
from launcher.recipe.method import Full, Method
from launcher.recipe.method_checks import method_refusal
from launcher.recipe.optimizers import optimizer_refusal
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.tracking import Tracking
from launcher.recipe.training import Training

WORKERS = 2
COMMIT_STEP = 3
"""After this many steps the state is committed, and a worker killed."""
STEPS = 4 * COMMIT_STEP
"""A small model takes some of them while its first commit is stored, and is to have others left when it is killed."""
MICRO_BATCH = 2
MICRO_BATCHES = 2
"""A step on each rank, where the recipe accumulates."""
MAX_LENGTH = 256
RANK = 8
PERSISTENT = 500
"""Under ZeRO 3 parameters with fewer elements stay whole: so few that a narrow model's matrices are partitioned."""
FUSED = "adamw_torch_fused"


@dataclass(frozen=True, slots=True)
class Traits:
    """What the recipe and this machine are like, as far as it is not in the recipe."""

    accumulates: bool
    """Whether a step has several micro-batches where the recipe is to train."""
    cpu_fp16: bool
    layers: int
    """Of the recipe's model."""
    whole_base: bool = False
    """The base is small already, and taken as it is."""

    @classmethod
    def of(cls, ahead: Preview, base: Base, machine: Machine) -> "Traits":
        return cls(
            accumulates=ahead.plan.batches.accumulation > 1,
            cpu_fp16=machine.cpu_fp16,
            layers=ahead.config["num_hidden_layers"],
            whole_base=base.whole,
        )


@dataclass(frozen=True, slots=True)
class Shrunk:
    recipe: Recipe
    notes: tuple[tuple[str, str], ...]
    """What could not stay as it was, by subject."""


def shrink(recipe: Recipe, traits: Traits) -> Shrunk:
    """The recipe made small, but for its model and data.

    Args:
        recipe: With nothing left open (`auto`).
    """
    notes: list[tuple[str, str]] = []
    changes: dict[str, Any] = {
        "training": _training(recipe, traits, notes),
        "method": _method(recipe.method, traits, notes),
        "tracking": Tracking(),
        "evaluation": recipe.evaluation.model_copy(update={"batch_size": min(8, recipe.evaluation.batch_size)}),
    }
    if isinstance(recipe.strategy, DeepSpeed):
        threshold = min(PERSISTENT, recipe.strategy.param_persistence_threshold)
        changes["strategy"] = recipe.strategy.model_copy(update={"param_persistence_threshold": threshold})
    return Shrunk(recipe.model_copy(update=changes), tuple(notes))


def _training(recipe: Recipe, traits: Traits, notes: list[tuple[str, str]]) -> Training:
    training = recipe.training
    micro = min(MICRO_BATCH, training.micro_batch)
    times = MICRO_BATCHES if traits.accumulates else 1
    changes: dict[str, Any] = {
        "num_train_epochs": None,
        "max_steps": STEPS,
        "per_device_train_batch_size": micro,
        "max_length": min(MAX_LENGTH, training.max_length),
        "lr_scheduler_kwargs": training.lr_scheduler_kwargs.model_copy(
            update={name: 1 for name in ("num_decay_steps", "num_stable_steps") if name in _options(training)}
        ),
        "logging_strategy": "steps",
        "logging_steps": None,
        "save_strategy": "steps",
        "save_steps": COMMIT_STEP,
        "save_minutes": None,
        "save_budget": None,
    }
    if training.global_batch_size is not None:
        changes["global_batch_size"] = WORKERS * micro * times
    else:
        changes["gradient_accumulation_steps"] = times
    if isinstance(training.warmup_steps, int):
        changes["warmup_steps"] = min(1, training.warmup_steps)
    if training.eval_strategy != "no":
        changes |= {"eval_strategy": "steps", "eval_steps": COMMIT_STEP}
    if training.saving == "no":
        notes.append(("commits", "the recipe asks for none (save_strategy: no); here they are made all the same"))
    if optimizer_refusal(training.optim, "cpu", recipe.strategy.key) is not None:
        notes.append(("optimiser", f"{training.optim} needs a GPU: {FUSED} in its place"))
        changes["optim"] = FUSED
    if training.use_liger_kernel:
        notes.append(("kernels", "Liger's need a GPU: the model's own in their place"))
        changes["use_liger_kernel"] = False
    if training.precision == "fp16" and not traits.cpu_fp16:
        notes.append(("precision", "this machine's CPUs do not compute in fp16: bf16 in its place"))
        changes["precision"] = "bf16"
    return training.model_copy(update=changes)


def _options(training: Training) -> set[str]:
    return set(training.lr_scheduler_kwargs.given)


def _method(method: Method, traits: Traits, notes: list[tuple[str, str]]) -> Method:
    if isinstance(method, Full) or traits.whole_base:
        return method
    changes: dict[str, Any] = {"r": min(RANK, method.r)}
    if method.layers_to_transform is not None:
        few = min(LAYERS, traits.layers)
        changes["layers_to_transform"] = sorted({each * few // traits.layers for each in method.layers_to_transform})
    if method.warm_start is not None:
        notes.append(("warm start", f"{method.warm_start} fits the real base only: adapters start anew here"))
        changes["warm_start"] = None
    if method_refusal(method, "cpu") is not None:
        notes.append(("method", "DoRA over int8 weights needs a GPU: without DoRA here"))
        changes["use_dora"] = False
    return method.model_copy(update=changes)

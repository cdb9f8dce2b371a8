"""What a worker is told: everything it needs, and nothing it would have to agree on."""

from dataclasses import dataclass

from launcher.data.encode import Example, Question
from launcher.plan.batch import BatchPlan
from launcher.plan.placement import Placement
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of a run."""

    recipe: Recipe
    run_url: str
    attempt: int
    nonce: str
    base: Pretrained
    """Where the base model is; for a model from scratch, the folder made for this run."""
    batches: BatchPlan
    placement: Placement
    flops_per_token: float | None


@dataclass(frozen=True, slots=True)
class EncodedData:
    train: list[Example]
    test: list[Question]

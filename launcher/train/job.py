"""What a worker is told: everything it needs, and nothing it would have to agree on."""

from dataclasses import dataclass

from launcher.checkpoint.contents import Origin
from launcher.data.encode import TestRow
from launcher.data.stream.cursor import Stretch
from launcher.data.stream.packing import Packing
from launcher.plan.batch import BatchPlan
from launcher.plan.placement import Placement
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.train.resuming import Resume


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """A prepared data set to train on, and how."""

    url: str
    manifest: str
    """Its digest."""
    packing: Packing
    weight: float


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """Where a node keeps what it read from object stores."""

    path: str
    limit: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of a run."""

    recipe: Recipe
    run_url: str
    attempt: int
    nonce: str
    base: Pretrained
    """Where the base model is; for a model from scratch, the folder made for this run."""
    training_sets: tuple[TrainingSet, ...]
    cache: CacheFolder
    batches: BatchPlan
    placement: Placement
    flops_per_token: float | None
    origin: Origin
    """What the run is, as its checkpoints say."""
    failure_s: float
    """Seconds between failures of the job that are expected."""
    resume: Resume | None
    rescue: str | None = None
    """Folder on each node's own disk for a state that can be committed no more."""
    left_out: tuple[Stretch, ...] = ()
    """Packs that no step takes: what earlier attempts rolled back behind."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows to score, and what is right."""

    rows: list[TestRow]
    truths: list[int] | None
    """The place of each row's true label among its scores; None where the task has no labels."""


@dataclass(frozen=True, slots=True)
class JudgedData:
    validation: Judged
    """Scored while training, where the recipe asks for it; else without rows."""
    test: Judged

"""A run in the numbers by which runs are compared."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from launcher.checkpoint.contents import Manifest
from launcher.checkpoint.fragment import WEIGHT
from launcher.evaluate.metrics import ClassificationMetrics
from launcher.evaluate.written import GenerationMetrics, written_metrics
from launcher.recipe.method import QLora
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.report.attempts import goodput
from launcher.report.record import RunRecord


@dataclass(frozen=True, slots=True)
class Summary:
    """None stands for what the run directory does not tell."""

    run: str
    recipe: str
    digest: str
    model: str
    method: str
    quantization: str
    """`none`, or the type that the frozen weights are stored in."""
    strategy: str
    precision: str
    seed: int
    finished: bool
    steps: int
    workers: int | None
    """Of the newest checkpoint that is there."""
    trained_parameters: int | None
    model_bytes: int | None
    """Of the weights of the adapter, or of the whole model where that was trained."""
    tokens_per_second: float | None
    """Over all ranks: the median of the second half of the steps."""
    memory_gib: float | None
    """The most that rank 0 held."""
    wall_s: float
    goodput: float
    """Share of the wall time that went into steps that were kept."""
    attempts: int
    test_loss: float | None
    """Mean cross-entropy of the tuned model on the test rows, in nats."""
    written: Mapping[str, GenerationMetrics]
    """What each model's free completions scored, where they were kept."""
    settings: Mapping[str, str]
    """The whole recipe by key path, as JSON writes its values."""
    metrics: Mapping[str, ClassificationMetrics]
    """All models' scores by name, where the task has labels."""

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return asdict(self)


def summarise(run: RunRecord) -> Summary:
    """The numbers of a run that has begun."""
    recipe, spent = run.recipe, goodput(run.attempts)
    speed = [value for _, value in run.curve("tokens_per_second")]
    memory = [value for _, value in run.curve("memory_gib")]
    return Summary(
        run=run.run_id,
        recipe=recipe.name,
        digest=recipe.digest,
        model=model_name(recipe),
        method=recipe.method.kind,
        quantization=quantization_name(recipe),
        strategy=run.strategy,
        precision=recipe.training.precision,
        seed=recipe.training.seed,
        finished=run.finished,
        steps=int(run.steps[-1]["step"]) if run.steps else 0,
        workers=None if run.manifest is None else run.manifest.world,
        trained_parameters=None if run.manifest is None else trained_parameters(run.manifest),
        model_bytes=run.model_bytes,
        tokens_per_second=median(speed[len(speed) // 2 :]) if speed else None,
        memory_gib=max(memory, default=None),
        wall_s=spent.wall,
        goodput=spent.share,
        attempts=len(run.attempts),
        test_loss=None if run.result is None else run.result["tuned"]["loss"],
        written=written_metrics(run.generations),
        settings=flat(recipe.model_dump(mode="json")),
        metrics=run.metrics,
    )


def flat(section: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """A section's values by key path."""
    found: dict[str, str] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{path}{key}.")
        else:
            found[f"{path}{key}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return found


def model_name(recipe: Recipe) -> str:
    """What the run began with."""
    if isinstance(recipe.model, Pretrained):
        return recipe.model.name_or_path
    return f"{recipe.model.architecture} from scratch"


def quantization_name(recipe: Recipe) -> str:
    """`none`, `int8`, `fp4`, `nf4`; `+double` where the constants are quantised too."""
    if not isinstance(recipe.method, QLora):
        return "none"
    how = recipe.method.quantization
    double = how.type != "int8" and how.double_quantization is not False
    return f"{how.type}+double" if double else how.type


def trained_parameters(manifest: Manifest) -> int:
    """Elements of every trained parameter, from where a checkpoint has them."""
    totals = {
        piece.parameter: piece.total for pieces in manifest.layout.values() for piece in pieces if piece.slot == WEIGHT
    }
    return sum(totals.values())

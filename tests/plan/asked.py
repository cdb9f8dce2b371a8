"""Recipes of models that are not here."""

from typing import Any

from launcher.plan.shapes import known_config
from launcher.recipe.recipe import Recipe

LLAMA_7B, LLAMA_13B, LLAMA_70B = (f"meta-llama/Llama-2-{size}-hf" for size in ("7b", "13b", "70b"))
LLAMA_8B = "meta-llama/Llama-3.1-8B"
ROWS: dict[str, Any] = {
    "train": {"kind": "csv", "url": "rows.csv"},
    "split": {"train_per_class": 2, "test_per_class": 1},
}


def asked(model: str, method: dict[str, Any], strategy: dict[str, Any], **training: Any) -> Recipe:
    """A recipe that packs rows and scores them one by one."""
    return Recipe.model_validate(
        {
            "name": "asked",
            "model": {"kind": "pretrained", "name_or_path": model},
            "method": method,
            "task": {"kind": "text"},
            "data": ROWS,
            "strategy": strategy,
            "evaluation": {"batch_size": 1},
            "training": {"precision": "bf16", "packing": True, "per_device_train_batch_size": 1, **training},
        }
    )


def config_of(recipe: Recipe) -> dict[str, Any]:
    known = known_config(recipe.model.name_or_path)  # type: ignore[union-attr]
    assert known is not None
    return known


def zero(stage: int, **offload: bool) -> dict[str, Any]:
    return {"kind": "deepspeed", "zero_stage": stage, **offload}

"""A trained model as others load it: what training switched off is on again, and an adapter names its base."""

from dataclasses import dataclass
from typing import Any

from peft import PeftModel

from launcher.model.adapt import TrainableModel


@dataclass(frozen=True, slots=True)
class BaseName:
    """By which others find the base of an adapter."""

    name: str
    revision: str | None


def release(model: TrainableModel, base: BaseName) -> dict[str, Any]:
    """Make a model's config fit for others; returns what its `save_pretrained` is called with besides.

    PEFT would ask the hub for the base's config otherwise; rows that the recipe added are among the trained modules.
    """
    if not isinstance(model, PeftModel):
        model.config.use_cache = True
        return {}
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.revision = base.name, base.revision
    return {"save_embedding_layers": False}

"""A base model's configuration, read without importing torch."""

import json
from typing import Any

from launcher.errors import InvalidInput
from launcher.model.fetch import CONFIG, fetch_model
from launcher.recipe.model import Model, Scratch


def model_config(model: Model) -> dict[str, Any]:
    """What the model's config.json says, or will say of a model from scratch.

    Raises:
        InvalidInput: the model cannot be had, or its config.json is no JSON object.
    """
    if isinstance(model, Scratch):
        return {**model.model_dump(exclude={"kind", "architecture", "seed"}), "model_type": model.architecture}
    path = fetch_model(model, CONFIG) / "config.json"
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"model: {path} cannot be read as JSON: {error}; give a model folder") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"model: {path} holds no JSON object")
    if "vocab_size" not in config:
        raise InvalidInput(f"model: {path} says no vocab_size; give the folder of a text model")
    return config

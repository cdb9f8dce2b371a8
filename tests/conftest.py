import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from launcher.recipe.recipe import Recipe

os.environ["HF_HUB_OFFLINE"] = "1"
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

RECIPE: dict[str, Any] = {
    "name": "moods",
    "model": {"kind": "scratch"},
    "method": {"kind": "full"},
    "task": {
        "kind": "instruction",
        "prompt": "{text} The mood is",
        "label_words": {"negative": "bad", "neutral": "same", "positive": "good"},
    },
    "data": {
        "train": {"kind": "csv", "url": "rows.csv"},
        "split": {"train_per_class": 2, "test_per_class": 1},
    },
    "strategy": {"kind": "ddp"},
}


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data and models, which no test may write to."""
    here = Path(__file__).parents[1]
    folder = Path(os.environ.get("LAUNCHER_SHARED", here.parent / "shared"))
    if folder.is_dir():
        return folder
    missing = f"{folder} is not there: set LAUNCHER_SHARED to the folder of real data and models"
    if "CI" in os.environ:
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def stories(shared: Path) -> Path:
    """A real pretrained Llama of 260,032 weights."""
    return shared / "models" / "stories260k"


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Recipe]:
    """A small recipe, with the sections given by keyword in place of its own."""

    def build(**sections: Mapping[str, Any]) -> Recipe:
        return Recipe.model_validate({**RECIPE, **sections})

    return build

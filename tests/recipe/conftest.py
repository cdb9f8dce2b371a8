from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.recipe.load import load_recipe
from launcher.recipe.problem import RecipeError

RECIPE = """\
name: moods
model:
  kind: scratch
  vocab_size: 300
method:
  kind: lora
  r: 8
task:
  kind: instruction
  prompt: "{text} The mood is"
  label_words: {good: fine, bad: poor}
data:
  train:
    kind: csv
    url: rows.csv
  split: {train_per_class: 10, test_per_class: 5}
  labels: {up: good, down: bad}
strategy:
  kind: deepspeed
  zero_stage: 2
training:
  max_steps: 20
  learning_rate: 1e-3
"""


@pytest.fixture
def recipe_text() -> str:
    return RECIPE


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Writes a file into a fresh working directory."""
    monkeypatch.chdir(tmp_path)

    def into(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return into


@pytest.fixture
def told() -> Callable[..., list[str]]:
    """The lines that a refused recipe ends with."""

    def lines(reference: str, *overrides: str) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            load_recipe(reference, overrides)
        return str(caught.value).splitlines()

    return lines

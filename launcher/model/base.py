"""The folder of a recipe's base model, fetched or made on the spot."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.data.encode import whole_text
from launcher.data.rows import Row
from launcher.model.fetch import WHOLE, fetch_model
from launcher.recipe.model import Scratch
from launcher.recipe.recipe import Recipe


@contextmanager
def base_folder(recipe: Recipe, rows: Iterable[Row], files: list[str] = WHOLE) -> Iterator[Path]:
    """The base model on this machine; one from scratch is made for as long as this lasts.

    Args:
        rows: What the tokenizer of a model from scratch is trained on.
        files: Patterns of what is needed.
    """
    if not isinstance(recipe.model, Scratch):
        yield fetch_model(recipe.model, files)
        return
    from launcher.model.scratch import make_scratch_model

    with tempfile.TemporaryDirectory(prefix="ll-base-") as folder:
        make_scratch_model(recipe.model, Path(folder), (whole_text(row, recipe.task) for row in rows))
        yield Path(folder)

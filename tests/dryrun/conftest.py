from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.cluster.local import Local
from launcher.cluster.machine import Machine
from launcher.dryrun.base import Base, dry_base
from launcher.dryrun.planned import planned
from launcher.dryrun.rows import FewRows, few_rows
from launcher.dryrun.shrink import Traits, shrink
from launcher.recipe.recipe import Recipe

MACHINE = Machine(cores=2, gpus=0)
Small = tuple[Recipe, Base, FewRows, tuple[tuple[str, str], ...]]


@pytest.fixture
def beside_shared(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory beside which the shipped recipes find their data, as ../shared."""
    (tmp_path / "shared").symlink_to(shared)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def made_small(tmp_path: Path) -> Callable[[Recipe], Small]:
    """What a dry run trains in place of a recipe, on a laptop without a network."""

    def make(recipe: Recipe) -> Small:
        ahead = planned(recipe, Local(backend="local"), MACHINE)
        data, few = few_rows(recipe, tmp_path)
        base = dry_base(recipe, ahead.config, few.train, tmp_path / "base")
        made = shrink(ahead.recipe, Traits.of(ahead, base, MACHINE))
        small = made.recipe.model_copy(update={"model": base.model, "data": data})
        return Recipe.model_validate(small.model_dump()), base, few, made.notes

    return make

"""Recipes and profiles that come with the package, in a checkout and in an installed wheel."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import launcher
from launcher.errors import LauncherError
from launcher.recipe.problem import Problem, RecipeError
from launcher.recipe.schema import nearest

Folder = Literal["recipes", "cluster", "slurm"]


@dataclass(frozen=True, slots=True)
class ShippedRecipe:
    reference: str
    """What the command line takes, such as `demo/headlines`."""
    path: Path


def shipped_folder(name: Folder) -> Path:
    """A folder inside the installed package, or beside the package in a checkout.

    Raises:
        LauncherError: the installation is incomplete.
    """
    package = Path(launcher.__file__).parent
    for folder in (package / "_shipped" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise LauncherError(f"{name}/ is missing beside {package}: install the package anew")


def shipped_recipes() -> list[ShippedRecipe]:
    """Every shipped recipe by its reference; parts that recipes share (`base/`) are none."""
    return [ShippedRecipe(reference, path) for reference, path in sorted(_references("recipes").items())]


def find(folder: Folder, reference: str) -> Path:
    """The file that a reference means: a path, or else a shipped file, with or without folder and `.yaml`.

    Raises:
        RecipeError: there is neither.
    """
    shipped = _references(folder)
    name = reference.removeprefix(f"{folder}/").removesuffix(".yaml")
    if os.path.isfile(reference) or (name not in shipped and os.path.exists(reference)):
        return Path(reference)
    if name in shipped:
        return shipped[name]
    what = f"no such file, and nothing of that name in the shipped {folder}/"
    raise RecipeError([Problem(None, reference, what, nearest(name, shipped))])


def _references(folder: Folder) -> dict[str, Path]:
    root = shipped_folder(folder)
    found = {path.relative_to(root).with_suffix("").as_posix(): path for path in root.rglob("*.yaml")}
    return {reference: path for reference, path in found.items() if not reference.startswith("base/")}

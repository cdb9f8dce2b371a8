"""A cluster profile by its path or name, with overrides -> profile, or everything that is wrong with it."""

from collections.abc import Sequence

from launcher.cluster.profile import Local
from launcher.recipe.load import load_section
from launcher.recipe.shipped import find

PREFIX = "cluster."
DEFAULT = "local"


def load_profile(reference: str | None, overrides: Sequence[str] = ()) -> Local:
    """Loads a profile.

    Args:
        reference: A path, or a shipped profile such as `local` or `cluster/local.yaml`; None is `local`.
        overrides: `KEY=VALUE`, with or without `cluster.` before the key.

    Raises:
        RecipeError: with all that is wrong.
    """
    return load_section(Local, find("cluster", reference or DEFAULT), overrides, prefix=PREFIX)


def split_overrides(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides of the recipe, and those of the profile: the latter begin with `cluster.`."""
    recipe = [one for one in overrides if not one.startswith(PREFIX)]
    profile = [one for one in overrides if one.startswith(PREFIX)]
    return recipe, profile

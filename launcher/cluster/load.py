"""A cluster profile by its path or name, with overrides -> profile, or everything that is wrong with it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from launcher.cluster.profile import KINDS, Profile
from launcher.recipe.compose import compose
from launcher.recipe.load import load_section
from launcher.recipe.problem import Problem, RecipeError
from launcher.recipe.remote import at_hand
from launcher.recipe.schema import nearest
from launcher.recipe.section import Section
from launcher.recipe.shipped import find

PREFIX = "cluster."
DEFAULT = "local"


class _AnyKind(Section):
    """What a profile's kind is read by; other keys are judged by the kind's own schema."""

    backend: str


def load_profile(reference: str | None, overrides: Sequence[str] = ()) -> Profile:
    """Loads a profile.

    Args:
        reference: A path, a URL, or a shipped profile such as `local` or `cluster/local.yaml`; None is `local`.
        overrides: `KEY=VALUE`, with or without `cluster.` before the key.

    Raises:
        RecipeError: with all that is wrong.
    """
    with at_hand(reference or DEFAULT) as named:
        path = find("cluster", named)
        backend = _backend(path, overrides)
        known = backend if backend in KINDS else next(iter(_like(backend)), None)
        try:
            return load_section(KINDS[known or DEFAULT], path, overrides, prefix=PREFIX)
        except RecipeError as error:
            raise RecipeError(_told(error.problems, backend, judged=known is not None)) from None


def split_overrides(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """The overrides of the recipe, and those of the profile: the latter begin with `cluster.`."""
    recipe = [one for one in overrides if not one.startswith(PREFIX)]
    profile = [one for one in overrides if one.startswith(PREFIX)]
    return recipe, profile


def _backend(path: Path, overrides: Sequence[str]) -> Any:
    """What a profile says its kind is; None where it says nothing, or cannot be read."""
    document = compose(path, _AnyKind, overrides, [], PREFIX)
    return None if document is None else document.values.get("backend")


def _like(backend: Any) -> list[str]:
    return [name for name in KINDS if nearest(backend, [name])]


def _told(problems: Sequence[Problem], backend: Any, *, judged: bool) -> list[Problem]:
    """The problems with what all kinds are called; where no kind can be meant, no other key can be judged."""
    *some, last = (repr(name) for name in KINDS)
    either = f"expected {', '.join(some)} or {last}"
    message = f"missing; {either}" if backend is None else f"{either}, found {backend!r}"
    hint = None if backend is None else nearest(backend, KINDS)
    told = [replace(one, message=message, hint=hint) if one.path == "backend" else one for one in problems]
    if judged or not any(one.path == "backend" for one in problems):
        return told
    return [one for one in told if one.path in ("backend", "extends", "")]

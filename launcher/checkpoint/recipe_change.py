"""A checkpoint goes on under the recipe that it began with, or under one that differs where it may."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from launcher.checkpoint.contents import Origin
from launcher.errors import InvalidInput

ABSENT = object()


def check_recipe(
    written: Origin, recipe: Mapping[str, Any], digest: str, may_change: Collection[str] = ()
) -> list[str]:
    """See that a checkpoint is of this recipe.

    Args:
        recipe: Resolved, with every default.
        digest: Of the recipe.
        may_change: Dotted paths of fields, or of sections, that may differ.

    Returns:
        The differences that were allowed, a line each.

    Raises:
        InvalidInput: it is of another one; tells every field that differs.
    """
    if digest == written.recipe_digest:
        return []
    found = list(differences(written.recipe, recipe))
    refused = [(path, line) for path, line in found if not allowed(path, may_change)]
    if refused or not found:
        told = "; ".join(line for _, line in refused) or "its digest differs"
        raise InvalidInput(f"recipe: the run began with another one ({told}); put it back, or start another run")
    return [line for _, line in found]


def differences(before: Mapping[str, Any], after: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Dotted path and line of each field that differs, in the order of their paths."""
    for key in sorted(before.keys() | after.keys()):
        path, old, new = f"{above}{key}", before.get(key, ABSENT), after.get(key, ABSENT)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{path}.")
        elif old != new:
            yield path, f"{path}: {_told(old)} -> {_told(new)}"


def allowed(path: str, may_change: Collection[str]) -> bool:
    """Whether a field, or a section around it, is among what may change."""
    return any(path == each or path.startswith(f"{each}.") for each in may_change)


def _told(value: object) -> str:
    return "nothing" if value is ABSENT else repr(value)

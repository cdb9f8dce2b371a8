"""Run directories by what a user calls them."""

import re
from fnmatch import fnmatchcase

from launcher.errors import InvalidInput
from launcher.storage.layout import RECIPE
from launcher.storage.store import Store


def find_run(run: str) -> Store:
    """The store of a run directory.

    Raises:
        InvalidInput: no run directory is there.
    """
    for place in (run, f"runs/{run}"):
        store = Store.open(place)
        if store.exists(RECIPE):
            return store
    raise InvalidInput(f"{run}: no run directory, and none under runs/; give its path or URL")


def find_runs(run: str) -> list[Store]:
    """The stores of one run, or of all whose names fit a pattern such as `rates-*`, as the runs of a sweep do.

    Raises:
        InvalidInput: no run directory is there.
    """
    root, _, pattern = run.rstrip("/").rpartition("/")
    if not any(sign in pattern for sign in "*?["):
        return [find_run(run)]
    for place in (root, f"runs/{root}" if root else "runs"):
        names = [name for name in Store.open(place or ".").folders() if fnmatchcase(name, pattern)]
        stores = [Store.open(f"{place}/{name}" if place else name) for name in sorted(names, key=_by_number)]
        found = [store for store in stores if store.exists(RECIPE)]
        if found:
            return found
    raise InvalidInput(f"{run}: no run directory fits, and none under runs/; give a path or URL, or another pattern")


def _by_number(name: str) -> list[tuple[int, str]]:
    """So that `rates-10` comes after `rates-9`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]

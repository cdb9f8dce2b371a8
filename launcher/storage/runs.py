"""Run directories by what a user calls them."""

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

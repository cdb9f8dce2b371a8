import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "moods-1"))


@pytest.fixture
def bucket() -> Iterator[Store]:
    """Not on this machine's disk, as far as anyone can tell."""
    store = Store.open(f"memory://{uuid.uuid4().hex}/moods-1")
    yield store
    if store.list():
        store.fs.rm(store.root, recursive=True)


@pytest.fixture
def told() -> list[str]:
    """What the user is told."""
    return []

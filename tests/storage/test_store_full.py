"""A disk that takes no more."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from launcher.storage.store import CannotWrite, Store

ROOM = 1000


@contextmanager
def little_room() -> Iterator[None]:
    """No file of this process may grow beyond some bytes; that goes for pytest's own output too, so be short."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def upload(store: Store, data: bytes) -> None:
    store.upload(Path(store.root, "source"), "name")


@pytest.mark.parametrize(
    "write",
    [lambda store, data: store.create("name", data), lambda store, data: store.write("name", data), upload],
    ids=["create", "write", "upload"],
)
def test_what_does_not_fit_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, write: Callable[[Store, bytes], None]
) -> None:
    data = b"x" * 2 * ROOM
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "large").write_bytes(data)
    store = Store.open(str(tmp_path))
    with little_room(), pytest.raises(CannotWrite) as caught:
        write(store, data)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/name")
    assert "cannot be written: [Errno 27] File too large" in told
    assert "\n" not in told
    assert [name for name in store.list() if not name.startswith("source")] == []

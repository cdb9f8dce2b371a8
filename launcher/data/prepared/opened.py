"""A prepared data set opened for reading: its manifest, and an index that is mapped and not held in memory."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from launcher.data.prepared.fetch import once, refusals
from launcher.data.prepared.manifest import BlockIndex, Manifest, Shard
from launcher.data.prepared.verify import check_totals, read_index, read_manifest
from launcher.data.prepared.whole import check_digest, check_size, file_digest, keep_whole, not_there
from launcher.errors import InvalidInput
from launcher.storage.leftovers import sweep_files
from launcher.storage.retry import Retry, one_line
from launcher.storage.store import CannotWrite, Store

PATIENCE_S = 900.0
"""Seconds to wait for another process that fetches the same index, before fetching it too."""


@dataclass(frozen=True, slots=True)
class PreparedSet:
    """A data set and where it stands; each process opens it for itself."""

    store: Store
    manifest: Manifest
    index: BlockIndex


def open_prepared(store: Store, folder: Path | None, retry: Retry | None = None) -> PreparedSet:
    """Read the manifest, and map the index once it is verified. A local store's is mapped where it is.

    Args:
        store: The folder of the manifest.
        folder: Where the index of a remote store is kept, for all processes of the node and for the next time. Without
            one it is read into memory.

    Raises:
        InvalidInput: there is no data set, or manifest or index are damaged.
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses.
        CannotWrite: the folder takes no more.
    """
    single = once(store)
    manifest = read_manifest(single, retry)
    local = store.local_path(manifest.index.name)
    if local is not None:
        index = _mapped(local, manifest.index)
    elif folder is None:
        index = read_index(single, manifest, retry)
    else:
        index = _kept(single, manifest, folder / manifest.digest[:32] / "index.arrow", retry)
    check_totals(store, manifest, index)
    return PreparedSet(store, manifest, index)


def _mapped(path: Path, listed: Shard) -> BlockIndex:
    """The index in a file. It is read once to be verified, not through the map: a file that is cut short meanwhile
    would kill the process there.
    """
    place = str(path)
    with refusals(place, "see that it may be read"):
        try:
            check_size(place, path.stat().st_size, listed)
            check_digest(place, file_digest(path), listed)
            return BlockIndex(path)
        except FileNotFoundError:
            raise not_there(place) from None


def _kept(store: Store, manifest: Manifest, path: Path, retry: Retry | None) -> BlockIndex:
    """The index in a file of this node, fetched by the first process that comes; a damaged one is fetched again."""
    with _turn(path.parent):
        try:
            return _mapped(path, manifest.index)
        except InvalidInput:
            sweep_files(path.parent)
            keep_whole(store, manifest.index, path, retry)
        return _mapped(path, manifest.index)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One process after another, in a folder that is made; the lock is the kernel's, and goes with its process."""
    with ExitStack() as turn:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            turn.enter_context(FileLock(folder / "lock").acquire(PATIENCE_S))
        except Timeout:  # whoever fetches is stopped: a second copy harms nobody
            pass
        except OSError as error:
            raise CannotWrite(f"{folder} cannot be written: {one_line(error)}; give another folder") from error
        yield

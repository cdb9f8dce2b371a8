"""One node's part in a checkpoint: its ranks' files to the store, each with a receipt, and on node 0 the commit."""

import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from launcher.checkpoint.commit import Committer
from launcher.checkpoint.complete import Key
from launcher.checkpoint.contents import File, Receipt, receipt_name, stored_pieces, weights_name
from launcher.checkpoint.destination import Destination
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.outcome import Saved
from launcher.checkpoint.pieces import LENGTH_BYTES, header_length, read_header
from launcher.checkpoint.retention import prune
from launcher.storage import local
from launcher.storage.client import single_try
from launcher.storage.content import Content
from launcher.storage.layout import checkpoint_folder
from launcher.storage.retry import Retry, one_line
from launcher.storage.store import CannotRemove, Store
from launcher.storage.upload import upload

PARTS = 16
"""Sent at once by a node."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A rank's file in memory, and what goes with it."""

    content: Content
    state: Mapping[str, Any]
    metric: float | None


def receipt_of(rank: int, snapshot: Snapshot, checksum: str) -> Receipt:
    """What a rank's file holds, once it is stored.

    Args:
        checksum: xxh3-128 of the file, in hexadecimal.
    """
    content = snapshot.content
    layout = read_header(content.read(0, header_length(content.read(0, LENGTH_BYTES))))
    assert layout.size == content.size
    return Receipt(rank, File(weights_name(rank), content.size, checksum), stored_pieces(layout), snapshot.state)


@dataclass(slots=True)
class Node:
    """Runs in a process of its own, and one checkpoint at a time."""

    destination: Destination
    retry: Retry
    _slots: frozenset[Key] = frozenset()
    _store: Store = field(init=False)
    _committer: Committer = field(init=False)

    def __post_init__(self) -> None:
        where = self.destination
        self._store = single_try(Store.open(where.run_url))
        attempt = Attempt(Journal(self._store, self.retry), where.attempt, where.nonce)
        self._committer = Committer(where, self._store, attempt, self.retry)

    def save(self, step: int, snapshots: Mapping[int, Snapshot]) -> Saved:
        """Store this node's part, and on node 0 commit the whole.

        Raises:
            LauncherError: the store failed, other nodes did not finish, or the run has another owner.
        """
        start, notes = time.monotonic(), list[str]()
        folder = checkpoint_folder(step, self.destination.attempt, self.destination.nonce)
        with ThreadPoolExecutor(len(snapshots), "file") as files, ThreadPoolExecutor(PARTS, "part") as parts:
            staged = parts.submit(self._stage, folder, snapshots)
            store = partial(self._store_rank, folder, parts)
            own = dict(zip(snapshots, files.map(store, snapshots, snapshots.values()), strict=True))
            notes += staged.result()
        if self.destination.node == 0:
            receipts = self._committer.receipts(step, own)
            metric = snapshots[min(snapshots)].metric
            self._slots = self._committer.commit(step, receipts, self._slots, metric)
            notes += self._prune(folder)
        size = sum(snapshot.content.size for snapshot in snapshots.values())
        return Saved(step, time.monotonic() - start, size, tuple(notes))

    def _store_rank(self, folder: str, parts: ThreadPoolExecutor, rank: int, snapshot: Snapshot) -> Receipt:
        content, name = snapshot.content, weights_name(rank)
        read_back = self.destination.read_back
        checksum = upload(self._store, f"{folder}/{name}", content, self.retry, parts, read_back=read_back)
        receipt = receipt_of(rank, snapshot, checksum)
        target = f"{folder}/{receipt_name(rank)}"
        self.retry.call(f"{self._store.location}/{target}", lambda _: self._store.write(target, receipt.to_json()))
        return receipt

    def _stage(self, folder: str, snapshots: Mapping[int, Snapshot]) -> list[str]:
        """Keep the files on the node's own disk too, in place of the checkpoint before; a full disk costs only that."""
        if self.destination.staging is None:
            return []
        target = Path(self.destination.staging) / Path(folder).name
        try:
            if target.parent.is_dir():
                for other in target.parent.iterdir():
                    if other.is_dir() and other != target:
                        shutil.rmtree(other)
            for rank, snapshot in snapshots.items():
                with open(snapshot.content.path, "rb") as whole:
                    local.write(target / weights_name(rank), whole)
        except OSError as error:
            shutil.rmtree(target, ignore_errors=True)
            return [f"{target}: not kept on this node's own disk: {one_line(error)}; make room there"]
        return []

    def _prune(self, newest: str) -> list[str]:
        """Let go of old checkpoints; what cannot be removed now is collected by a later attempt."""
        if self.destination.keep is None:
            return []
        try:
            prune(self._committer.attempt, self._store, self.destination.keep, verified=newest)
        except CannotRemove as error:
            return [str(error)]
        return []

"""Finding the newest commit that is whole, and reading it at any world size."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from launcher.checkpoint.committed import Tell, committed_files, read_manifest
from launcher.checkpoint.contents import Damaged, Manifest, StoredPiece
from launcher.checkpoint.entries import Commit, live_commits
from launcher.checkpoint.fragment import Slot
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.pieces import SIZES
from launcher.checkpoint.snapshot import DTYPES
from launcher.storage.client import single_try
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.retry import Retry
from launcher.storage.store import Store

TYPES = {name: dtype for dtype, name in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A commit, verified, with its files on this machine's disk."""

    commit: Commit
    manifest: Manifest
    pieces: Mapping[Slot, list[tuple[StoredPiece, Path]]]
    """By offset."""

    @property
    def state(self) -> Mapping[str, Any]:
        """Cursor and counters, as rank 0 told them."""
        return self.manifest.state

    def total(self, slot: Slot) -> int:
        """Elements of a whole state; 0 where the checkpoint has no such slot."""
        found = self.pieces.get(slot)
        return found[0][0].total if found else 0

    def read(self, slot: Slot, offset: int, length: int) -> torch.Tensor:
        """Elements `offset` to `offset + length` of a state, whichever ranks wrote them.

        Returns:
            (length,), in the type in which they were written.

        Raises:
            Damaged: the checkpoint does not have them.
        """
        found, end = self.pieces.get(slot, []), offset + length
        if not found or not 0 <= offset <= end <= found[0][0].total:
            told = self.total(slot)
            where = f"{slot.parameter}, {slot.name}"
            raise Damaged(
                f"{self.commit.checkpoint} has {told} elements of {where}, and {offset} to {end} are asked for"
            )
        values = torch.empty(length, dtype=TYPES[found[0][0].dtype])
        target = values.view(torch.uint8).numpy()
        for piece, path in found:
            first, last = max(offset, piece.offset), min(end, piece.offset + piece.length)
            if first < last:
                width = SIZES[piece.dtype]
                part = target[(first - offset) * width : (last - offset) * width]
                _read_into(part, path, piece.start + (first - piece.offset) * width)
        return values


def newest_valid(
    store: Store, journal: Journal, tell: Tell, folder: Path, retry: Retry | None = None
) -> Checkpoint | None:
    """The newest commit that verifies; None where there is none.

    Args:
        tell: Gets one line for each commit that is passed over.
        folder: On this machine's own disk, for files that are fetched.

    Raises:
        StoreFailed: the store failed until the deadline: what cannot be reached is not passed over.
    """
    for commit in reversed(live_commits(journal.entries())):
        if not commit.checkpoint.startswith(f"{CHECKPOINTS}/"):
            continue
        try:
            return open_checkpoint(store, commit, tell, folder, retry)
        except Damaged as error:
            tell(f"the commit after step {commit.step} is passed over: {error}")
    return None


def open_checkpoint(store: Store, commit: Commit, tell: Tell, folder: Path, retry: Retry | None = None) -> Checkpoint:
    """One commit, for processes that were told which; arguments and errors as for `newest_valid`.

    Raises:
        Damaged: it does not verify.
    """
    single, again = single_try(store), retry or Retry()
    manifest = read_manifest(single, commit, again)
    paths = committed_files(single, commit, manifest.files, tell, folder, retry=again)
    pieces: defaultdict[Slot, list[tuple[StoredPiece, Path]]] = defaultdict(list)
    for name, found in manifest.layout.items():
        for piece in found:
            pieces[Slot(piece.parameter, piece.slot)].append((piece, paths[name]))
    for each in pieces.values():
        each.sort(key=lambda entry: entry[0].offset)
    return Checkpoint(commit, manifest, dict(pieces))


def _read_into(target: npt.NDArray[np.uint8], path: Path, start: int) -> None:
    # Not through a memory map: a file cut short under a map kills the process
    descriptor, done = os.open(path, os.O_RDONLY), 0
    try:
        while done < len(target):
            count = os.preadv(descriptor, [target.data[done:]], start + done)
            if not count:
                raise Damaged(f"{path} was cut short after it was verified")
            done += count
    finally:
        os.close(descriptor)

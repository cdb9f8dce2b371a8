"""From what the ranks stored to a commit in the journal: receipts, manifest, entry, in this order."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import xxhash

from launcher.checkpoint.complete import Key, check_complete, check_none_lost
from launcher.checkpoint.contents import MANIFEST, VERSION, Damaged, File, Manifest, Receipt, receipt_name
from launcher.checkpoint.destination import Destination
from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Attempt
from launcher.errors import LauncherError
from launcher.storage.layout import checkpoint_folder
from launcher.storage.retry import Retry
from launcher.storage.store import AlreadyExists, Store

FIRST_POLL_S, LONGEST_POLL_S = 0.1, 5.0
TRIES = 3
"""For a receipt that comes damaged."""


class NotReported(LauncherError):
    """Other nodes did not finish their part in time."""


@dataclass(frozen=True, slots=True)
class Committer:
    """Node 0's last part in each checkpoint."""

    destination: Destination
    store: Store
    attempt: Attempt
    retry: Retry
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def receipts(self, step: int, own: Mapping[int, Receipt]) -> list[Receipt]:
        """Every rank's receipt in the order of ranks, once all are there.

        Raises:
            NotReported: some are not there by the deadline.
        """
        folder, world = self._folder(step), self.destination.world
        found, poll, start = dict(own), FIRST_POLL_S, self.clock()
        while True:
            if len(found) < world:
                listed = set(self.retry.call(f"{self.store.location}/{folder}", lambda _: self.store.list(folder)))
                for rank in sorted(set(range(world)) - set(found)):
                    if f"{folder}/{receipt_name(rank)}" in listed:
                        found[rank] = self._read(folder, rank)
            if len(found) == world:
                return [found[rank] for rank in range(world)]
            spent = self.clock() - start
            if spent > self.destination.deadline_s:
                missing = ", ".join(str(rank) for rank in range(world) if rank not in found)
                raise NotReported(f"step {step}: no word of ranks {missing} within {spent:.0f} s; see their logs")
            self.sleep(poll)
            poll = min(LONGEST_POLL_S, poll * 2)

    def commit(
        self, step: int, receipts: Sequence[Receipt], before: frozenset[Key], metric: float | None
    ) -> frozenset[Key]:
        """Check that nothing is missing, store the manifest, and name the checkpoint in the journal.

        May be called again after it was interrupted at any moment.

        Args:
            before: Slots of the attempt's checkpoint before.

        Returns:
            Slots of this one.

        Raises:
            Incomplete: the ranks' pieces are not the whole state.
            RunOwned: another attempt has opened the run.
        """
        slots = check_complete((piece for each in receipts for piece in each.pieces), self.destination.trained)
        check_none_lost(slots, before)
        manifest = self._manifest(step, receipts)
        name = self._folder(step)
        place = f"{self.store.location}/{name}/{MANIFEST}"
        try:
            self.retry.call(place, lambda _: self.store.create(f"{name}/{MANIFEST}", manifest.to_json()))
        except AlreadyExists:
            if self.retry.call(place, lambda _: self.store.read(f"{name}/{MANIFEST}")) != manifest.to_json():
                raise LauncherError(f"{place} is there with other bytes: this step was stored before") from None
        if not self._committed(name):
            self.attempt.commit(step, name, manifest.digest, metric)
        return slots

    def _committed(self, name: str) -> bool:
        """Whether an earlier uploader of this attempt did so, and died before it could tell."""
        entries = self.attempt.journal.entries()
        return any(isinstance(entry, Commit) and entry.checkpoint == name for entry in entries)

    def _manifest(self, step: int, receipts: Sequence[Receipt]) -> Manifest:
        files: list[File] = []
        for receipt in receipts:
            data = receipt.to_json()
            files += [receipt.file, File(receipt_name(receipt.rank), len(data), xxhash.xxh3_128_hexdigest(data))]
        return Manifest(
            version=VERSION,
            origin=self.destination.origin,
            attempt=self.destination.attempt,
            step=step,
            world=self.destination.world,
            files=files,
            layout={receipt.file.name: receipt.pieces for receipt in receipts},
            state=receipts[0].state,
        )

    def _folder(self, step: int) -> str:
        return checkpoint_folder(step, self.destination.attempt, self.destination.nonce)

    def _read(self, folder: str, rank: int) -> Receipt:
        name = f"{folder}/{receipt_name(rank)}"
        place = f"{self.store.location}/{name}"
        for remaining in reversed(range(TRIES)):
            try:
                return Receipt.from_json(self.retry.call(place, lambda _: self.store.read(name)), place)
            except Damaged:  # it may have been on its way
                if not remaining:
                    raise
        raise AssertionError("the last try returns or raises")

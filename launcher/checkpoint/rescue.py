"""A state that can be committed no more, as the machine goes first: on its own disk, for an attempt that starts there.

<cache folder>/rescue/<run>/<step>-<attempt>-<nonce>/
  rank-0.safetensors, rank-0.json    as in a checkpoint; the receipt comes after its file
  rescue.json                        what its commit needs besides
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from launcher.checkpoint.commit import Committer
from launcher.checkpoint.contents import Damaged, Receipt, receipt_name, weights_name
from launcher.checkpoint.destination import Destination
from launcher.checkpoint.entries import Commit, Entry, Open, RolledBack
from launcher.checkpoint.journal import Attempt
from launcher.checkpoint.node import PARTS, Snapshot, receipt_of
from launcher.storage import local
from launcher.storage.client import single_try
from launcher.storage.content import Content
from launcher.storage.layout import CHECKPOINTS, checkpoint_folder
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from launcher.storage.upload import upload

TOLD = "rescue.json"


def rescue_folder(cache: Path, run_url: str) -> Path:
    """Of one run; runs of one name in several places have one each."""
    return cache / "rescue" / f"{run_url.rsplit('/', 1)[-1]}-{hashlib.sha256(run_url.encode()).hexdigest()[:8]}"


def rescue(destination: Destination, step: int, snapshots: Mapping[int, Snapshot]) -> str:
    """Put the files of a node's ranks on its own disk, each with its receipt; returns the folder.

    Raises:
        OSError: the disk took no more.
    """
    assert destination.rescue is not None
    folder = Path(destination.rescue, _name(step, destination.attempt, destination.nonce))
    for rank, snapshot in snapshots.items():
        receipt = receipt_of(rank, snapshot, snapshot.content.xxh3_128())
        with open(snapshot.content.path, "rb") as whole:
            local.write(folder / weights_name(rank), whole)
        local.write(folder / receipt_name(rank), BytesIO(receipt.to_json()))
    told = {"step": step, "metric": snapshots[min(snapshots)].metric, "destination": destination.to_json()}
    local.write(folder / TOLD, BytesIO(json.dumps(told).encode()))
    return str(folder)


def recover(attempt: Attempt, store: Store, folder: Path, tell: Callable[[str], None], retry: Retry) -> Commit | None:
    """Commit what an earlier attempt left on this machine's disk, where nothing newer is there; then it goes from here.

    Args:
        folder: As `rescue_folder` names it.
        tell: Gets a line for each that is found.

    Raises:
        StoreFailed: the store failed until the deadline; what was rescued stays.
        RunOwned: another attempt has the run.
    """
    for found in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
        committed = None
        why = _unwanted(found.name, attempt.journal.entries(), attempt.number)
        if why is None:
            try:
                committed = _commit(attempt, single_try(store), found, retry)
                tell(f"committed step {committed.step}, which was rescued to {found}")
            except (Damaged, FileNotFoundError) as error:
                why = str(error)
        if why is not None:
            tell(f"{found} was rescued and is let go: {why}")
        shutil.rmtree(found)
        if committed is not None:
            return committed
    return None


def _unwanted(name: str, entries: Sequence[Entry], mine: int) -> str | None:
    """Why nothing is to go on from it; None where the run may."""
    step, number, nonce = name.split("-")
    place = next((place for place, each in enumerate(entries) if _opened(each, int(number), nonce)), None)
    if place is None:
        return "it is of another run"
    commits = [each for each in entries if isinstance(each, Commit) and each.checkpoint.startswith(CHECKPOINTS)]
    if any(each.step >= int(step) for each in commits):
        return "a commit is as new"
    for each in entries[place:]:
        if isinstance(each, Commit) and int(number) < each.attempt < mine:
            return f"attempt {each.attempt} went on without it"
        if isinstance(each, RolledBack):
            return f"attempt {each.attempt} was rolled back"
    return None


def _opened(entry: Entry, number: int, nonce: str) -> bool:
    return isinstance(entry, Open) and entry.attempt == number and entry.nonce.startswith(nonce)


def _commit(attempt: Attempt, store: Store, folder: Path, retry: Retry) -> Commit:
    """Store and commit the files as this attempt's own, every byte of them verified.

    Raises:
        FileNotFoundError: it was not finished, or other machines have a part of it.
        Damaged: a file is not as it was written.
    """
    told = json.loads((folder / TOLD).read_bytes())
    destination = replace(Destination.from_json(told["destination"]), attempt=attempt.number, nonce=attempt.nonce)
    target, step = checkpoint_folder(told["step"], attempt.number, attempt.nonce), int(told["step"])
    receipts = [_receipt(folder, rank) for rank in range(destination.world)]
    with ThreadPoolExecutor(PARTS, "part") as parts:
        for receipt in receipts:
            _store_file(store, folder, target, receipt, retry=retry, parts=parts)
    Committer(destination, store, attempt, retry).commit(step, receipts, frozenset(), told["metric"])
    return next(_commits(attempt, target))


def _receipt(folder: Path, rank: int) -> Receipt:
    path = folder / receipt_name(rank)
    return Receipt.from_json(path.read_bytes(), str(path))


def _store_file(
    store: Store, folder: Path, target: str, receipt: Receipt, *, retry: Retry, parts: ThreadPoolExecutor
) -> None:
    path = folder / receipt.file.name
    with path.open("rb") as whole:
        content = Content(whole.fileno(), path.stat().st_size)
        if (content.size, content.xxh3_128()) != (receipt.file.size, receipt.file.xxh3_128):
            raise Damaged(f"{path} is not as it was written")
        upload(store, f"{target}/{receipt.file.name}", content, retry, parts, read_back=False)
    name = f"{target}/{receipt_name(receipt.rank)}"
    retry.call(f"{store.location}/{name}", lambda _: store.write(name, receipt.to_json()))


def _commits(attempt: Attempt, name: str) -> Iterator[Commit]:
    return (each for each in attempt.journal.entries() if isinstance(each, Commit) and each.checkpoint == name)


def _name(step: int, attempt: int, nonce: str) -> str:
    return Path(checkpoint_folder(step, attempt, nonce)).name

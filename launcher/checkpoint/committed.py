"""The files of a commit: its manifest, held against the journal, and every byte held against the manifest."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from launcher.checkpoint.contents import MANIFEST, Damaged, File, Manifest
from launcher.checkpoint.entries import Commit
from launcher.checkpoint.verified import TRIES, verified_files
from launcher.storage.retry import Retry
from launcher.storage.store import Store

Tell = Callable[[str], None]
FILE_NAME = re.compile(r"rank-\d+\.(safetensors|json)")


def read_manifest(store: Store, commit: Commit, retry: Retry) -> Manifest:
    """The manifest that a commit of a checkpoint named.

    Args:
        store: Its client tries once.

    Raises:
        Damaged: it is missing, or another one.
        StoreFailed: the store failed until the deadline.
    """
    data, place = _content(store, commit, retry)
    manifest = Manifest.from_json(data, place)
    if (manifest.attempt, manifest.step) != (commit.attempt, commit.step):
        raise Damaged(f"{place} is of attempt {manifest.attempt}, step {manifest.step} of run {manifest.origin.run}")
    if hashlib.sha256(data).hexdigest() != commit.manifest_digest:
        raise Damaged(f"{place} is not the one that was committed (it says run {manifest.origin.run})")
    odd = [file.name for file in manifest.files if FILE_NAME.fullmatch(file.name) is None]
    if odd:
        raise Damaged(f"{place} names {odd[0]!r}, which is no file of a checkpoint")
    return manifest


def model_files(store: Store, commit: Commit, retry: Retry) -> list[File]:
    """What the commit of a finished model says that it holds; arguments and errors as for `read_manifest`."""
    data, place = _content(store, commit, retry)
    if hashlib.sha256(data).hexdigest() != commit.manifest_digest:
        raise Damaged(f"{place} is not the one that was committed")
    return [File(**file) for file in json.loads(data)["files"]]


def committed_files(
    store: Store, commit: Commit, files: Sequence[File], tell: Tell, folder: Path, *, retry: Retry
) -> dict[str, Path]:
    """Where the files of a commit are on this machine, every byte of them verified.

    Args:
        store: Its client tries once.
        tell: Gets one line for each file that is no part of the commit.
        folder: On this machine's own disk, for files that are fetched.

    Raises:
        Damaged: a file is missing, or not as it was written; names it.
        StoreFailed: the store failed until the deadline.
    """
    place = f"{store.location}/{commit.checkpoint}"
    listed = retry.call(place, lambda _: store.list(commit.checkpoint))
    known = {f"{commit.checkpoint}/{name}" for name in [MANIFEST, *(file.name for file in files)]}
    for name in sorted(set(listed) - known):
        tell(f"{store.location}/{name} is no part of the checkpoint, and is not read")
    return verified_files(store, commit.checkpoint, files, folder, retry)


def _content(store: Store, commit: Commit, retry: Retry) -> tuple[bytes, str]:
    """A manifest as it is stored, asked for again where it is not the one that was committed; and its place."""
    name = f"{commit.checkpoint}/{MANIFEST}"
    place = f"{store.location}/{name}"
    try:
        for _ in range(TRIES):
            data = retry.call(place, lambda _: store.read(name))
            if hashlib.sha256(data).hexdigest() == commit.manifest_digest:
                break
    except FileNotFoundError:
        raise Damaged(f"{place} is missing") from None
    return data, place

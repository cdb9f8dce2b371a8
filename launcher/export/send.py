"""A folder of files to wherever an export is to be, each known to have arrived."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from launcher.errors import InvalidInput
from launcher.export.hub import HUB, Repository, empty_repository, push
from launcher.storage.client import single_try
from launcher.storage.content import Content
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from launcher.storage.upload import upload

PARTS = 16


def empty_target(url: str) -> Store | Repository:
    """The store at a path or URL where nothing is, or such a repository of the hub.

    Raises:
        InvalidInput: something is there.
    """
    if url.startswith(HUB):
        return empty_repository(url)
    target = Store.open(url)
    if not target.root:
        raise InvalidInput(f"--to: {url} names no folder; give an empty one, or a new one")
    path = target.local_path("x")
    if target.list() or (path is not None and path.parent.exists() and not path.parent.is_dir()):
        raise InvalidInput(f"--to: {target.location} is not empty; give an empty folder, or a new one")
    return target


def send(folder: Path, target: Store | Repository) -> int:
    """Store every file and verify each by reading it back; returns their bytes.

    Weights go first and the rest last: what was cut short does not load.

    Raises:
        StoreFailed: the store failed until the deadline.
        CannotWrite: the target takes no more.
    """
    if isinstance(target, Repository):
        return push(folder, target)
    single, sent = single_try(target), 0
    paths = sorted(folder.iterdir(), key=lambda path: (path.suffix != ".safetensors", path.name))
    with ThreadPoolExecutor(PARTS, "part") as parts:
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                content = Content(descriptor, path.stat().st_size)
                upload(single, path.name, content, Retry(), parts, read_back=True)
            finally:
                os.close(descriptor)
            sent += content.size
    return sent

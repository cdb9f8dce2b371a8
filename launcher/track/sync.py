"""`launcher track sync`: what a run kept offline goes to W&B."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from launcher.errors import InvalidInput, LauncherError
from launcher.storage.store import Store
from launcher.track.available import check_wandb
from launcher.track.wandb_tracker import newest_offline

SYNC_S = 3600.0


class NotUploaded(LauncherError):
    """W&B did not take the file."""


def sync_wandb(store: Store, seconds: float = SYNC_S) -> str:
    """Upload a run's newest offline file, which replaces what W&B has of the run; returns its name.

    The client works on a copy, so the run directory stays as it is, and the mark that it leaves beside a file that was
    taken is its word on this upload.

    Raises:
        InvalidInput: there is no offline file, or wandb is not installed.
        NotUploaded: W&B cannot be reached, or refuses.
    """
    check_wandb("launcher track sync")
    newest = newest_offline(store)
    if newest is None:
        raise InvalidInput(
            f"{store.location}: no offline W&B file; one is written with tracking.report_to=[wandb] and "
            "tracking.wandb.mode=offline, or where W&B could not be reached"
        )
    with tempfile.TemporaryDirectory(prefix="ll-wandb-sync-") as name:
        folder = Path(name, Path(newest).parent.name)
        folder.mkdir()
        file = folder / Path(newest).name
        file.write_bytes(store.read(newest))
        said = _upload(file, Path(name), seconds)
        if not file.with_suffix(".wandb.synced").exists():
            raise NotUploaded(f"W&B did not take {newest}: {said}; see to the network and WANDB_API_KEY, and try again")
    return newest


def _upload(file: Path, folder: Path, seconds: float) -> str:
    """Run the client's own `sync`; returns its last line."""
    environment = os.environ | {"WANDB_ERROR_REPORTING": "false", "WANDB_CACHE_DIR": str(folder / "cache")}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "wandb", "sync", str(file)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,  # no prompt
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done within {seconds:.0f} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return " ".join(lines[-1].removeprefix("wandb:").split()) if lines else "the client said nothing"

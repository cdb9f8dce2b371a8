"""A Ray cluster on this machine for one run: started, used, and gone without a trace."""

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.plan.placement import Placement

TRAIN_SETTINGS = {
    # How soon the end of a worker is seen, and most of what a fit costs after the work has ended
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # Interruptions come through the driver; Ray's own watcher asks through a barrier
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
}
LOCAL_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # A GPU worker count of 0 must not hide the GPUs from a driver that only asks what there is
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@contextmanager
def local_ray(placement: Placement) -> Iterator[Path]:
    """A cluster of one node, reachable with a token of its own; gives its folder, removed at the end.

    Ray's sockets stand below that folder, and their paths may have 107 bytes: so it is short, under /tmp.
    """
    with tempfile.TemporaryDirectory(prefix="ll-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ.update(TRAIN_SETTINGS | LOCAL_SETTINGS, RAY_AUTH_TOKEN_PATH=str(token))

        import ray

        try:
            ray.init(
                address="local",
                num_cpus=placement.workers,
                num_gpus=placement.workers if placement.device == "cuda" else 0,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=name,
            )
            yield folder
        finally:
            ray.shutdown()

"""A Ray cluster on this machine for one run: started, used, and gone without a trace."""

import logging
import os
import secrets
import signal
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
}


@contextmanager
def local_ray(placement: Placement) -> Iterator[Path]:
    """A cluster of one node, reachable with a token of its own; gives its folder, removed at the end.

    Ray's sockets stand below that folder, and their paths may have 107 bytes: so it is short, under /tmp.
    """
    with tempfile.TemporaryDirectory(prefix="ll-", dir="/tmp", ignore_cleanup_errors=True) as name:
        token = Path(name, "token")
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        with _environment(TRAIN_SETTINGS | LOCAL_SETTINGS | {"RAY_AUTH_TOKEN_PATH": str(token)}):
            import ray

            _forget_token()
            on_sigterm = signal.getsignal(signal.SIGTERM)
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
                signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put two of its own in place, in Python and in C++
                yield Path(name)
            finally:
                ray.shutdown()


@contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _forget_token() -> None:
    """Make Ray read mode and token anew: it keeps what it found when it was imported, or for an earlier cluster."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()

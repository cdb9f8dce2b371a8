"""A Ray cluster on this machine for one run: started, used, and gone without a trace."""

import logging
import secrets
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from launcher.plan.placement import Placement
from launcher.train.environment import environment
from launcher.train.warm import WarmUp

LATER = (signal.SIGTERM, signal.SIGUSR2)
"""Signals that may ask a driver to end."""
LOCAL_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
}


@contextmanager
def local_ray(
    placement: Placement, variables: Mapping[str, str] = {}, *, warm: bool = False, quantised: bool = False
) -> Iterator[Path]:
    """A cluster of one node, reachable with a token of its own; gives its folder, removed at the end.

    Args:
        variables: For the environment of the cluster's processes.
        warm: Have its first processes import what an attempt needs, as `warm.py` tells.
        quantised: Whether the base is, which they would need more for.

    Ray's sockets stand below that folder, and their paths may have 107 bytes: so it is short, under /tmp.
    """
    with tempfile.TemporaryDirectory(prefix="ll-", dir="/tmp", ignore_cleanup_errors=True) as name:
        token = Path(name, "token")
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        ahead = WarmUp(placement.workers, placement.device, quantised, name) if warm else None
        variables = {**variables, **(ahead.variables if ahead else {})}
        with environment({**variables, **LOCAL_SETTINGS, "RAY_AUTH_TOKEN_PATH": str(token)}):
            import ray

            _forget_token()
            try:
                with undisturbed():
                    ray.init(
                        address="local",
                        num_cpus=ahead.processes if ahead else placement.workers,
                        num_gpus=placement.workers if placement.device == "cuda" else 0,
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        _temp_dir=name,
                        _system_config=_started_ahead(ahead) if ahead else None,
                    )
                yield Path(name)
            finally:
                ray.shutdown()


@contextmanager
def undisturbed() -> Iterator[None]:
    """SIGTERM and SIGUSR2 wait until Ray has started: when it is shut down half started, it takes the process with it.

    Ray puts two handlers of SIGTERM in place, in Python and in C++. The first would exit from the midst of its start;
    the second sets an alarm, which aborts the process 3 s later.
    """
    from ray._private import utils

    met: list[int] = []
    before = {each: signal.signal(each, lambda number, _: met.append(number)) for each in LATER}
    of_ray, utils.set_sigterm_handler = utils.set_sigterm_handler, lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = of_ray
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.alarm(0)
    for number in met:
        signal.raise_signal(number)


def _started_ahead(ahead: WarmUp) -> dict[str, Any]:
    """Ray starts as many processes with a cluster as it has CPUs, but not so many at a time."""
    return {
        "worker_maximum_startup_concurrency": ahead.processes,
        "preload_python_modules": ["launcher.train.warmed"],
    }


def _forget_token() -> None:
    """Make Ray read mode and token anew: it keeps what it found when it was imported, or for an earlier cluster."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()

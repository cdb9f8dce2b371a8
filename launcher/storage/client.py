"""Clients of stores that try once, so that `launcher.storage.retry` alone decides what is tried again."""

from typing import Any

from launcher.storage.store import Store

CONNECTIONS = 32
"""Open to one store at a time, at the most."""
S3: dict[str, Any] = {
    "retries": {"total_max_attempts": 1},
    "connect_timeout": 5,
    "read_timeout": 15,
    "max_pool_connections": CONNECTIONS,
}
"""botocore's; a stalled socket ends after `read_timeout` seconds."""


def single_try(store: Store) -> Store:
    """The same store through a client of its own.

    On S3 botocore would try 5 times, and s3fs each of these 5 or 25 times: one stalled answer could take half an hour,
    and the last error would not be told. The clients of other stores try as they do, within the time of one try.
    """
    if not store.is_s3:
        return store
    options = dict(store.fs.storage_options)
    options["config_kwargs"] = S3 | options.get("config_kwargs", {})
    fs = type(store.fs)(**options, skip_instance_cache=True)
    fs.retries = 1
    return Store(fs, store.root)

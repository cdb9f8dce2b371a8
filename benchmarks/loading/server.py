"""The S3 server of the fault tests, in a process of its own, so that it does not share the interpreter with us."""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from benchmarks.loading.documents import Documents
from launcher.storage.store import Store
from tests.faults.s3 import KEYS, new_bucket, s3_server


@contextmanager
def s3() -> Iterator[str]:
    """A bucket of a new server, as URL. Until the end the environment leads S3 clients there."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_serve, args=(its,))
    process.start()
    before = dict(os.environ)
    try:
        url = ours.recv()
        os.environ |= KEYS | {"AWS_ENDPOINT_URL": url}
        yield f"s3://{new_bucket(url)}"
    finally:
        os.environ.clear()
        os.environ |= before
        ours.send("stop")
        process.join()


def uploaded(documents: Documents, bucket: str, name: str) -> Store:
    """The prepared set in the bucket, below a name."""
    Store.open(bucket).upload(documents.folder / "prepared", name)
    return Store.open(f"{bucket}/{name}")


def _serve(pipe: Connection) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells every request
    with s3_server() as url:
        pipe.send(url)
        pipe.recv()

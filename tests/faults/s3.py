"""An S3 server of moto's, and what a client needs to know of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import boto3
from moto.server import ThreadedMotoServer

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
"""Environment of its clients."""


@contextmanager
def s3_server() -> Iterator[str]:
    """A server of its own; gives its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client(endpoint: str) -> boto3.client:
    """A client that goes to the server itself, whatever the environment says."""
    return boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def new_bucket(endpoint: str) -> str:
    name = f"bucket-{uuid4()}"
    client(endpoint).create_bucket(Bucket=name)
    return name

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from tests.faults.proxy import DATA, EARLY, FaultProxy
from tests.faults.s3 import client, new_bucket, s3_server

BODY = bytes(range(256)) * 40
READ_TIMEOUT_S = 0.3


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> str:
    name = new_bucket(server)
    client(server).put_object(Bucket=name, Key="folder/an object", Body=BODY)
    return name


@pytest.fixture
def proxy_of(server: str) -> Iterator[Callable[..., FaultProxy]]:
    with ExitStack() as open_proxies:
        yield lambda **options: open_proxies.enter_context(FaultProxy(server, **options))


def through(proxy: FaultProxy) -> boto3.client:
    once = Config(retries={"total_max_attempts": 1}, read_timeout=READ_TIMEOUT_S)
    return boto3.client(
        "s3",
        endpoint_url=proxy.url,
        config=once,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def read(proxy: FaultProxy, bucket: str, **options: Any) -> bytes:
    return through(proxy).get_object(Bucket=bucket, Key="folder/an object", **options)["Body"].read()


def test_undisturbed_requests_pass_unchanged(proxy_of: Callable[..., FaultProxy], bucket: str) -> None:
    proxy = proxy_of()
    s3 = through(proxy)
    s3.put_object(Bucket=bucket, Key="copy", Body=BODY)
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == read(proxy, bucket) == BODY
    assert read(proxy, bucket, Range="bytes=10-19") == BODY[10:20]
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == len(BODY)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy", "folder/an object"]
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="copy", Body=b"", IfNoneMatch="*")
    assert (proxy.faults, proxy.counts["passed"]) == (0, 7)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("error", "InternalError"),
        ("slow-down", "SlowDown"),
        ("reset", "Connection was closed|Connection reset"),
        ("stall", "Read timeout"),
        ("truncate", "IncompleteRead|Connection broken"),
    ],
)
def test_faults_reach_the_client_as_they_would_from_a_store(
    proxy_of: Callable[..., FaultProxy], bucket: str, kind: str, error: str
) -> None:
    proxy = proxy_of(rate=1.0, kinds=[kind], times=1, stall_s=2 * READ_TIMEOUT_S)
    with pytest.raises(Exception, match=error):
        read(proxy, bucket)
    assert read(proxy, bucket) == BODY
    assert proxy.counts == {kind: 1, "passed": 1}


def test_a_short_answer_looks_whole(proxy_of: Callable[..., FaultProxy], bucket: str) -> None:
    data = read(proxy_of(rate=1.0, kinds=["short"]), bucket, Range="bytes=0-9999")
    assert data == BODY[: len(data)]
    assert len(data) < 10_000


def test_one_bit_flips(proxy_of: Callable[..., FaultProxy], bucket: str) -> None:
    data = read(proxy_of(rate=1.0, kinds=["flip"]), bucket, Range="bytes=0-9999")
    differing = int.from_bytes(data) ^ int.from_bytes(BODY[:10_000])
    assert len(data) == 10_000
    assert differing.bit_count() == 1


def test_an_answer_is_lost_after_the_write_succeeded(
    proxy_of: Callable[..., FaultProxy], server: str, bucket: str
) -> None:
    proxy = proxy_of(rate=1.0, kinds=["lost-answer"], times=1)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        through(proxy).put_object(Bucket=bucket, Key="new", Body=b"written", IfNoneMatch="*")
    assert client(server).get_object(Bucket=bucket, Key="new")["Body"].read() == b"written"
    with pytest.raises(botocore.exceptions.ClientError, match="PreconditionFailed"):
        through(proxy).put_object(Bucket=bucket, Key="new", Body=b"written", IfNoneMatch="*")


def test_a_store_that_is_down_answers_nobody(proxy_of: Callable[..., FaultProxy], bucket: str) -> None:
    proxy = proxy_of()
    proxy.down = True
    with pytest.raises(botocore.exceptions.HTTPClientError):
        read(proxy, bucket)
    proxy.down = False
    assert read(proxy, bucket) == BODY
    assert proxy.counts == {"down": 1, "passed": 1}


def test_the_same_seed_gives_the_same_faults_in_any_order(proxy_of: Callable[..., FaultProxy], bucket: str) -> None:
    def suffered(seed: int, order: list[int]) -> dict[int, str]:
        proxy = proxy_of(seed=seed, rate=0.5, kinds=(EARLY | DATA) - {"stall"})
        happened = {}
        for start in order:
            before = proxy.counts.copy()
            with suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                read(proxy, bucket, Range=f"bytes={start}-{start + 9}")
            (happened[start],) = proxy.counts - before
        return happened

    ahead = suffered(1, list(range(40)))
    assert ahead == suffered(1, list(reversed(range(40))))
    assert ahead != suffered(2, list(range(40)))
    assert 10 <= sum(kind != "passed" for kind in ahead.values()) <= 30

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp
import botocore.exceptions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s3fs.errors import translate_boto_error
from yarl import URL

from launcher.errors import InvalidInput
from launcher.storage.retry import Damaged, Retry, StoreFailed, http_status, may_pass


@dataclass
class Clock:
    """A clock that stands still but for the waits."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def retry_with(clock: Clock, luck: float = 1.0, **options: float) -> Retry:
    return Retry(clock=clock, sleep=clock.sleep, random=lambda: luck, **options)


class Failing:
    """Fails a number of times and answers then; takes some seconds of the clock for each."""

    def __init__(self, clock: Clock, errors: Iterator[Exception], seconds: float = 0.0) -> None:
        self.clock, self.errors, self.seconds = clock, errors, seconds
        self.given: list[float] = []

    def __call__(self, timeout: float) -> str:
        self.given.append(timeout)
        self.clock.now += self.seconds
        for error in self.errors:
            raise error
        return "answer"


def server_answered(status: int, code: str) -> OSError:
    metadata = {"HTTPStatusCode": status}
    response = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": metadata}
    error: OSError = translate_boto_error(botocore.exceptions.ClientError(response, "GetObject"))
    return error


def http_answered(status: int) -> aiohttp.ClientResponseError:
    url = URL("http://store/key")
    return aiohttp.ClientResponseError(aiohttp.RequestInfo(url, "GET", None, url), (), status=status)  # type: ignore[arg-type]


def cut_short() -> aiohttp.ClientPayloadError:
    """An answer that ends too soon; its cause has a status that no server sent."""
    error = aiohttp.ClientPayloadError("Response payload is not completed")
    error.__cause__ = aiohttp.http_exceptions.ContentLengthError("Not enough data")
    return error


def downs(times: int) -> Iterator[Exception]:
    return iter([ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")] * times)


def test_an_answer_after_failures_is_the_answer() -> None:
    clock = Clock()
    attempt = Failing(clock, downs(3))
    assert retry_with(clock).call("s3://bucket/key", attempt) == "answer"
    assert len(attempt.given) == 4


def test_waits_double_up_to_the_longest_and_luck_shortens_them() -> None:
    clock = Clock()
    retry_with(clock, first=0.5, longest=3.0).call("key", Failing(clock, downs(5)))
    assert clock.waits == [0.5, 1.0, 2.0, 3.0, 3.0]
    lucky = Clock()
    retry_with(lucky, luck=0.1, first=0.5, longest=3.0).call("key", Failing(lucky, downs(5)))
    assert lucky.waits == pytest.approx([0.05, 0.1, 0.2, 0.3, 0.3])


@settings(deadline=None)
@given(luck=st.floats(0.01, 1.0), took=st.floats(0.0, 50.0), deadline=st.floats(0.0, 600.0))
def test_a_store_that_stays_down_is_given_up_before_the_deadline(luck: float, took: float, deadline: float) -> None:
    clock = Clock()
    attempt = Failing(clock, downs(100_000), seconds=took)
    with pytest.raises(StoreFailed):
        retry_with(clock, luck, deadline=deadline).call("key", attempt)
    assert clock.now - 1000 <= deadline + took + 1e-6
    assert all(later <= before for before, later in zip(attempt.given, attempt.given[1:], strict=False))


def test_a_try_is_given_its_patience_and_no_more_than_is_left() -> None:
    clock = Clock()
    attempt = Failing(clock, downs(100), seconds=20)
    with pytest.raises(StoreFailed):
        retry_with(clock, first=0.0, deadline=50.0, patience=30.0).call("key", attempt)
    assert attempt.given == [30.0, 30.0, 10.0]


def test_giving_up_names_the_key_and_the_last_error_in_one_line() -> None:
    clock = Clock()
    errors = iter([server_answered(500, "InternalError"), *[ConnectionError("Slow\nDown")] * 1000])
    with pytest.raises(StoreFailed) as caught:
        retry_with(clock, first=1.0, deadline=30.0).call("s3://bucket/data/shards/00003.arrow", Failing(clock, errors))
    told = str(caught.value)
    assert told.startswith(
        "s3://bucket/data/shards/00003.arrow: the store failed 5 times in 15 s, at last with: Slow Down; "
    )
    assert "\n" not in told


def test_what_cannot_pass_is_raised_at_once() -> None:
    clock = Clock()
    attempt = Failing(clock, iter([server_answered(403, "AccessDenied")]))
    with pytest.raises(PermissionError):
        retry_with(clock).call("key", attempt)
    assert clock.waits == []


@pytest.mark.parametrize(
    "error",
    [
        server_answered(500, "InternalError"),
        server_answered(503, "SlowDown"),
        server_answered(503, "503"),
        server_answered(429, "TooManyRequests"),
        server_answered(400, "RequestTimeout"),
        http_answered(502),
        botocore.exceptions.ReadTimeoutError(endpoint_url="http://store"),
        botocore.exceptions.EndpointConnectionError(endpoint_url="http://store"),
        botocore.exceptions.ConnectionClosedError(endpoint_url="http://store"),
        botocore.exceptions.FlexibleChecksumError(error_msg="Expected checksum a did not match calculated checksum b"),
        cut_short(),
        aiohttp.ServerDisconnectedError(),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("no answer"),
        OSError(errno.ESTALE, "Stale file handle"),
        Damaged("its checksum differs"),
    ],
    ids=lambda error: f"{type(error).__name__} {http_status(error) or ''}",
)
def test_worth_another_try(error: Exception) -> None:
    assert may_pass(error)


@pytest.mark.parametrize(
    "error",
    [
        server_answered(403, "AccessDenied"),
        server_answered(403, "InvalidClientTokenId"),
        server_answered(404, "NoSuchKey"),
        server_answered(412, "PreconditionFailed"),
        server_answered(416, "InvalidRange"),
        server_answered(501, "NotImplemented"),
        http_answered(404),
        botocore.exceptions.NoCredentialsError(),
        botocore.exceptions.SSLError(endpoint_url="https://store", error="certificate verify failed"),
        FileNotFoundError(errno.ENOENT, "No such file"),
        OSError(errno.ENOSPC, "No space left on device"),
        InvalidInput("a user's mistake"),
        ZeroDivisionError(),
    ],
    ids=lambda error: f"{type(error).__name__} {http_status(error) or ''}",
)
def test_not_worth_another_try(error: Exception) -> None:
    assert not may_pass(error)

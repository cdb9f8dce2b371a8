"""When a store is asked again, and for how long: the one place of retries for all stores."""

import errno
import http.client
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from launcher.errors import LauncherError

Result = TypeVar("Result")

STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
CODES = frozenset(
    {
        "BadDigest",
        "IncompleteBody",
        "InternalError",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "XAmzContentSHA256Mismatch",
    }
)
"""S3's words for what may pass, which do not always come with a status of their own."""
ERRNOS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EHOSTUNREACH,
        errno.EIO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EREMOTEIO,
        errno.ESTALE,
    }
)
NAMES = frozenset(
    {
        # aiohttp: s3fs, gcsfs, http
        "ClientConnectionError",
        "ClientPayloadError",
        # botocore
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "FlexibleChecksumError",
        "HTTPClientError",
        "IncompleteReadError",
        "ProxyConnectionError",
        "ResponseParserError",
        # azure-core
        "ServiceRequestError",
        "ServiceResponseError",
        # google-auth
        "TransportError",
    }
)
"""Classes of clients that need not be installed, by name."""
LEAST_S = 1.0
"""A try gets so long even at the deadline: else the error told last would be of our own making."""


class Damaged(OSError):
    """What came is not what was asked for; the next answer may be."""


TYPES = (Damaged, ConnectionError, TimeoutError, EOFError, http.client.IncompleteRead)


class StoreFailed(LauncherError, OSError):
    """A store failed until the deadline; tells the key and the last error."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter, until a deadline on the monotonic clock.

    The wait before try n + 1 is uniform in 0 to min(longest, first * 2^(n - 1)) seconds:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    deadline: float = 300.0
    """Seconds for all tries together."""
    patience: float = 60.0
    """Seconds for one try."""
    first: float = 0.2
    longest: float = 20.0
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep

    def call(self, key: str, attempt: Callable[[float], Result]) -> Result:
        """What `attempt` returns; it is handed the seconds that it may take.

        Args:
            key: What is asked for, as a user would write it.

        Raises:
            StoreFailed: every try failed, until the deadline.
            Exception: what `attempt` raised and is not worth another try.
        """
        start = self.clock()
        ceiling, tries = self.first, 0
        while True:
            tries += 1
            try:
                left = start + self.deadline - self.clock()
                return attempt(min(self.patience, max(left, LEAST_S)))
            except Exception as error:
                if not may_pass(error):
                    raise
                wait = ceiling * self.random()
                spent = self.clock() - start
                if spent + wait >= self.deadline:
                    raise StoreFailed(
                        f"{key}: the store failed {tries} times in {spent:.0f} s, at last with: {one_line(error)}; "
                        "see that it can be reached, then start again"
                    ) from error
            self.sleep(wait)
            ceiling = min(self.longest, ceiling * 2)


def may_pass(error: BaseException) -> bool:
    """Whether an error is worth another try: the first of its causes that says so decides, and errno comes last."""
    for each in _causes(error):
        if isinstance(each, TYPES) or not NAMES.isdisjoint(base.__name__ for base in type(each).__mro__):
            return True
        status, code = _answer(each)
        if status is not None:
            return status in STATUSES or code in CODES
    return any(isinstance(each, OSError) and each.errno in ERRNOS for each in _causes(error))


def http_status(error: BaseException) -> int | None:
    """The status a server answered with, where that is what went wrong."""
    return next((status for each in _causes(error) if (status := _answer(each)[0]) is not None), None)


def one_line(error: BaseException) -> str:
    """What an error says, or its class where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """HTTP status and S3 code in an error of botocore, aiohttp, azure-core or gcsfs."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode"), response.get("Error", {}).get("Code")
    told = (getattr(error, name, None) for name in ("status", "status_code", "code"))
    return next((status for status in told if isinstance(status, int)), None), None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

import functools
import http.server
import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import botocore.exceptions
import pytest

from launcher.errors import InvalidInput
from launcher.storage.client import single_try
from launcher.storage.ranges import read_range
from launcher.storage.retry import Retry, StoreFailed, may_pass
from launcher.storage.store import Store
from tests.faults.proxy import FaultProxy
from tests.faults.s3 import KEYS, new_bucket, s3_server

DATA = bytes(range(256)) * 40
NAME = "shards/00000.arrow"
KINDS = ["local", "memory", "s3"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    with FaultProxy(server, stall_s=20.0) as running:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": running.url}.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def s3(server: str, proxy: FaultProxy) -> Store:
    store = single_try(Store.open(f"s3://{new_bucket(server)}/data"))
    store.write(NAME, DATA)
    proxy.counts.clear()
    return store


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        filled: Store = request.getfixturevalue("s3")
        return filled
    filled = Store.open(str(tmp_path) if request.param == "local" else f"memory://{uuid4()}")
    filled.write(NAME, DATA)
    return filled


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (0, len(DATA)), (1000, 300), (len(DATA) - 7, 7)])
def test_a_range_is_what_stands_there(store: Store, offset: int, length: int) -> None:
    assert read_range(store, NAME, offset, length, timeout=10) == DATA[offset : offset + length]


def test_a_range_over_the_end_is_what_there_is(store: Store) -> None:
    assert read_range(store, NAME, len(DATA) - 3, 10, timeout=10) == DATA[-3:]
    assert read_range(store, NAME, len(DATA) + 5, 10, timeout=10) == b""


def test_no_such_object(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        read_range(store, "shards/99999.arrow", 0, 10, timeout=10)


def test_a_name_cannot_climb_out_of_the_store(store: Store) -> None:
    with pytest.raises(InvalidInput, match="is no name below"):
        read_range(store, "../secret", 0, 10, timeout=10)


def test_many_threads_read_at_once(store: Store) -> None:
    offsets = range(0, len(DATA), 64)
    with ThreadPoolExecutor(16) as pool:
        parts = list(pool.map(lambda offset: read_range(store, NAME, offset, 64, timeout=30), offsets))
    assert b"".join(parts) == DATA


class Silent(http.server.SimpleHTTPRequestHandler):
    """Python's own file server: it knows no ranges."""

    def log_message(self, *_: object) -> None:
        pass


def test_a_store_without_range_reads_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / NAME).write_bytes(DATA)
    handler = functools.partial(Silent, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{running.server_port}"
            with pytest.raises(InvalidInput, match=rf"^{url}/{NAME}: the store has no range reads \(10240 [^\n]+$"):
                read_range(Store.open(url), NAME, 100, 50, timeout=10)
        finally:
            running.shutdown()
            thread.join()


@pytest.mark.parametrize("kind", ["error", "slow-down", "truncate"])
def test_a_try_is_one_request(s3: Store, proxy: FaultProxy, kind: str) -> None:
    proxy.rate, proxy.kinds = 1.0, [kind]
    with pytest.raises(Exception):  # noqa: B017, PT011 (each kind has its own, by the client's choice)
        read_range(s3, NAME, 100, 50, timeout=10)
    assert proxy.counts == {kind: 1}


def test_a_try_goes_again_at_most_once_where_a_kept_connection_is_reset(s3: Store, proxy: FaultProxy) -> None:
    proxy.rate, proxy.kinds = 1.0, ["reset"]
    with pytest.raises(botocore.exceptions.BotoCoreError):
        read_range(s3, NAME, 100, 50, timeout=10)
    assert proxy.counts["reset"] <= 2


def test_a_stalled_try_ends_in_time_and_the_next_one_answers(s3: Store, proxy: FaultProxy) -> None:
    proxy.rate, proxy.kinds, proxy.times = 1.0, ["stall"], 1
    with pytest.raises(TimeoutError, match=r"^no answer within 0\.3 s$"):
        read_range(s3, NAME, 100, 50, timeout=0.3)
    assert read_range(s3, NAME, 100, 50, timeout=10) == DATA[100:150]


def test_a_stall_ends_by_the_timeout_of_the_client_too(s3: Store, proxy: FaultProxy) -> None:
    quick = single_try(Store(type(s3.fs)(config_kwargs={"read_timeout": 0.3}, skip_instance_cache=True), s3.root))
    proxy.rate, proxy.kinds = 1.0, ["stall"]
    with pytest.raises(botocore.exceptions.ReadTimeoutError) as caught:
        read_range(quick, NAME, 100, 50, timeout=15)
    assert may_pass(caught.value)
    assert proxy.counts == {"stall": 1}


def test_a_store_that_stays_down_is_told_with_key_and_last_error(s3: Store, proxy: FaultProxy) -> None:
    proxy.down = True
    now = itertools.count(step=15)  # seconds that only the waits take, so that a busy machine ends no try of its own
    retry = Retry(deadline=60.0, clock=functools.partial(next, now), sleep=lambda seconds: None)
    told = r"^the key: the store failed 2 times in 60 s, at last with: (Connection was|Could not connect) [^\n]+$"
    with pytest.raises(StoreFailed, match=told):
        retry.call("the key", functools.partial(read_range, s3, NAME, 0, 10))
    assert proxy.counts["down"] >= 2


def test_what_a_url_says_of_its_client_is_kept(s3: Store) -> None:
    given = Store(type(s3.fs)(config_kwargs={"read_timeout": 99}, key="mine", skip_instance_cache=True), s3.root)
    made = single_try(given)
    assert (made.fs.key, made.fs.config_kwargs["read_timeout"], made.fs.retries) == ("mine", 99, 1)
    assert given.fs.retries == 5
    assert made.location == given.location

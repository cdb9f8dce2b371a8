from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from launcher.storage.store import Store
from tests.data.prepared.small_set import SmallSet
from tests.faults.proxy import FaultProxy
from tests.faults.s3 import KEYS, new_bucket, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy_of(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FaultProxy]]:
    """A proxy that clients of S3 go through."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    running: list[FaultProxy] = []

    def start(**options: object) -> FaultProxy:
        proxy = FaultProxy(server, stall_s=20.0, **options).__enter__()  # type: ignore[arg-type]
        running.append(proxy)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        return proxy

    yield start
    for proxy in running:
        proxy.__exit__()


@pytest.fixture
def proxy(proxy_of: Callable[..., FaultProxy]) -> FaultProxy:
    return proxy_of()


@pytest.fixture
def remote(server: str, proxy: FaultProxy) -> SmallSet:
    made = SmallSet.write(Store.open(f"s3://{new_bucket(server)}/data"))
    proxy.counts.clear()
    return made


@pytest.fixture(params=["local", "memory", "remote"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> SmallSet:
    if request.param == "remote":
        made: SmallSet = request.getfixturevalue("remote")
        return made
    return SmallSet.write(Store.open(str(tmp_path / "data") if request.param == "local" else f"memory://{uuid4()}"))

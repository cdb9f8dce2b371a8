import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest
import xxhash

from launcher.storage.client import single_try
from launcher.storage.content import Content
from launcher.storage.download import download
from launcher.storage.retry import Damaged, Retry, StoreFailed
from launcher.storage.s3 import PART, WHOLE, S3Object
from launcher.storage.store import CannotWrite, Store
from launcher.storage.unfinished import abort, unfinished
from launcher.storage.upload import NotAsWritten, upload
from tests.faults.proxy import FaultProxy
from tests.faults.s3 import KEYS, new_bucket, s3_server

SIZES = [0, 1, WHOLE, WHOLE + 1, 3 * PART + 12_345]
QUICK = Retry(deadline=60, first=0.01, longest=0.1)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with FaultProxy(endpoint, seed=1, stall_s=0.2) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def parts() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture(params=["disk", "s3", "other"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Store.open(str(tmp_path / "store"))
    if request.param == "other":
        return Store.open(f"memory://{tmp_path.name}")
    request.getfixturevalue("proxy")
    return single_try(Store.open(f"s3://{new_bucket(request.getfixturevalue('endpoint'))}/run"))


@pytest.fixture
def remote(proxy: FaultProxy, endpoint: str) -> Store:
    return single_try(Store.open(f"s3://{new_bucket(endpoint)}/run"))


def content(data: bytes) -> Content:
    descriptor = os.memfd_create("test")
    os.write(descriptor, data)
    return Content(descriptor, len(data))


@pytest.mark.parametrize("read_back", [False, True])
def test_files_travel_up_and_down_unchanged(
    store: Store, parts: ThreadPoolExecutor, tmp_path: Path, read_back: bool
) -> None:
    for size in SIZES:
        data = os.urandom(size)
        file = content(data)
        checksum = upload(store, f"a/{size}", file, QUICK, parts, read_back=read_back)
        os.close(file.descriptor)
        assert checksum == xxhash.xxh3_128_hexdigest(data)
        assert store.read(f"a/{size}") == data
        assert store.size(f"a/{size}") == size
        if store.local_path("a") is None:
            target = tmp_path / "fetched" / str(size)
            assert download(store, f"a/{size}", size, target, retry=QUICK, parts=parts) == checksum
            assert target.read_bytes() == data


@pytest.mark.parametrize("kind", ["error", "slow-down", "reset", "stall", "lost-answer", "truncate", "short"])
def test_a_fault_that_every_request_suffers_once_is_mended(
    remote: Store, proxy: FaultProxy, parts: ThreadPoolExecutor, tmp_path: Path, kind: str
) -> None:
    data = os.urandom(WHOLE + 1)
    file = content(data)
    proxy.times, proxy.rate, proxy.kinds = 1, 1.0, {kind}
    checksum = upload(remote, "a", file, QUICK, parts, read_back=True)
    os.close(file.descriptor)
    assert download(remote, "a", len(data), tmp_path / "a", retry=QUICK, parts=parts) == checksum
    assert (tmp_path / "a").read_bytes() == data
    assert proxy.counts[kind] >= 3


def test_what_arrived_damaged_is_found(
    remote: Store, parts: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = content(os.urandom(WHOLE + 1))
    right = S3Object.call

    def damage(self: S3Object, method: str, **arguments: object) -> object:
        if method == "upload_part" and arguments["PartNumber"] == 2:
            body = arguments["Body"]
            assert isinstance(body, bytes)
            arguments["Body"] = bytes([body[0] ^ 1]) + body[1:]
        return right(self, method, **arguments)

    monkeypatch.setattr(S3Object, "call", damage)
    with pytest.raises(Damaged, match="the checksum of what arrived is"):
        upload(remote, "a", file, QUICK, parts, read_back=False)
    os.close(file.descriptor)


def test_a_disk_that_gives_back_other_bytes_is_found(
    parts: ThreadPoolExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = content(os.urandom(PART))
    right = shutil.copyfileobj

    def damage(source: BinaryIO, target: BinaryIO) -> None:
        right(source, target)
        target.seek(5)
        target.write(b"other")

    monkeypatch.setattr(shutil, "copyfileobj", damage)
    with pytest.raises(NotAsWritten, match="what was written differs"):
        upload(Store.open(str(tmp_path)), "a", file, QUICK, parts, read_back=False)
    os.close(file.descriptor)
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_fails_leaves_no_parts(remote: Store, parts: ThreadPoolExecutor) -> None:
    file = content(os.urandom(4 * PART))
    os.ftruncate(file.descriptor, 3 * PART)
    with pytest.raises(EOFError, match=f"{3 * PART} bytes are there, and not {4 * PART}"):
        S3Object(remote, "a", QUICK).send(file, parts)
    os.close(file.descriptor)
    assert unfinished(remote, "a", QUICK) == {}


def test_uploads_that_nobody_will_finish_are_found_and_removed(remote: Store) -> None:
    begun = S3Object(remote, "checkpoints/1/rank-0", QUICK).call("create_multipart_upload")["UploadId"]
    S3Object(remote, "elsewhere/rank-0", QUICK).call("create_multipart_upload")
    assert unfinished(remote, "checkpoints", QUICK) == {"checkpoints/1/rank-0": [begun]}
    for _ in range(2):
        abort(remote, "checkpoints/1/rank-0", begun, QUICK)
    assert unfinished(remote, "checkpoints", QUICK) == {}


def test_a_store_that_stays_down_is_named_in_one_line(
    remote: Store, proxy: FaultProxy, parts: ThreadPoolExecutor
) -> None:
    file = content(b"x")
    proxy.down = True
    with pytest.raises(StoreFailed, match=r"^s3://\S+/a: the store failed \d+ times in \d+ s, at last with: [^\n]+$"):
        upload(remote, "a", file, Retry(deadline=0.5), parts, read_back=False)
    os.close(file.descriptor)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, parts: ThreadPoolExecutor) -> None:
    (tmp_path / "a").write_text("a file")
    file = content(b"x")
    with pytest.raises(CannotWrite, match="cannot be written"):
        upload(Store.open(str(tmp_path)), "a/b", file, QUICK, parts, read_back=False)
    os.close(file.descriptor)


def test_objects_that_are_not_there_are_not_waited_for(
    remote: Store, parts: ThreadPoolExecutor, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        download(remote, "absent", 5, tmp_path / "a", retry=QUICK, parts=parts)
    assert list(tmp_path.iterdir()) == []

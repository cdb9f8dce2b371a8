"""Faults planted in the store are each found by the doctor's command, with the place and the mend."""

import time
from collections.abc import Iterator

import pytest

from tests.doctor.meddler import Meddler
from tests.doctor.told import Done, doctor
from tests.faults.s3 import KEYS, client, new_bucket, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meddler]:
    with Meddler(server) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        yield made


def examined(bucket: str, *checks: str) -> Done:
    return doctor(f"cluster.storage=s3://{bucket}/runs", "--only", ",".join(checks or ("store",)), "--json")


def the_failure(done: Done, check: str) -> dict[str, str]:
    assert done.code == 3, done.out
    (failure,) = done.of(check, "fail")
    return failure


def test_a_sound_store_is_found_sound_and_left_empty(proxy: Meddler, server: str) -> None:
    bucket = new_bucket(server)
    done = examined(bucket, "store", "clock", "paths")
    assert done.code == 0, done.out
    told = " ".join(each["found"] for state in ("ok", "warn") for each in done.of("store", state))  # a slow one warns
    for step in ("write", "create-only", "list after write", "range read", "multipart abort", "remove", "upload"):
        assert step in told
    assert client(server).list_objects_v2(Bucket=bucket).get("Contents", []) == []
    assert client(server).list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_bucket_that_is_not_there_is_found(proxy: Meddler) -> None:
    failure = the_failure(examined("bucket-that-nobody-made"), "store")
    assert failure["found"].startswith("write: ")
    assert "bucket" in failure["found"]
    assert failure["mend"] == "create the bucket or folder, or mend cluster.storage"


def test_credentials_that_may_not_write_are_found_with_the_permission_that_they_lack(
    proxy: Meddler, server: str
) -> None:
    proxy.denied = ("PUT", "POST")
    failure = the_failure(examined(new_bucket(server)), "store")
    assert failure["found"] == "write: Access Denied"
    assert "s3:PutObject" in failure["mend"]


def test_credentials_that_may_not_read_or_list_are_found_step_by_step(proxy: Meddler, server: str) -> None:
    proxy.denied = ("GET",)
    done = examined(new_bucket(server))
    assert done.code == 3
    failures = {each["found"].partition(":")[0]: each["mend"] for each in done.of("store", "fail")}
    assert "s3:ListBucket" in failures["list after write"]
    assert "s3:GetObject" in failures["range read"]
    assert "write" not in failures


def test_a_store_without_create_only_writes_is_found_and_nothing_else_is_wrong_with_it(
    proxy: Meddler, server: str
) -> None:
    proxy.create_only = False
    failure = the_failure(examined(new_bucket(server)), "store")
    assert failure["found"].startswith("create-only: an object was written over")
    assert "two attempts could own one run" in failure["mend"]


@pytest.mark.parametrize(("ahead", "way"), [(60.0, "behind"), (-60.0, "ahead of")])
def test_a_clock_that_is_a_minute_off_the_stores_is_found(ahead: float, way: str, proxy: Meddler, server: str) -> None:
    proxy.ahead_s = ahead
    began = time.monotonic()
    failure = the_failure(examined(new_bucket(server), "clock"), "clock")
    took = time.monotonic() - began
    assert f" s {way} the store" in failure["found"]
    assert 58 - took < abs(float(failure["figure"])) < 62 + took  # a loaded machine dates its question late
    assert "chrony" in failure["mend"]


def test_an_address_where_nothing_answers_is_found_in_seconds(
    proxy: Meddler, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    failure = the_failure(examined("anything", "store", "paths", "clock"), "store")
    assert "see that the address is right" in failure["mend"]

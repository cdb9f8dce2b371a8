from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest

from launcher.checkpoint.journal import Journal
from launcher.errors import InvalidInput
from launcher.storage.store import AlreadyExists, Store
from tests.faults.s3 import KEYS, new_bucket, s3_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return new_bucket(endpoint)


@pytest.fixture
def store(bucket: str) -> Store:
    return Store.open(f"s3://{bucket}/runs/one")


def test_create_only_writes_hold_over_http(store: Store) -> None:
    store.create("journal/1", b"first")
    with pytest.raises(AlreadyExists):
        store.create("journal/1", b"second")
    assert store.read("journal/1") == b"first"


def test_of_two_clients_that_create_one_object_one_succeeds(bucket: str) -> None:
    def try_to_create(client: int) -> bool:
        try:
            Store.open(f"s3://{bucket}/run").create("prize", str(client).encode())
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(try_to_create, range(4)))
    assert sum(won) == 1
    assert Store.open(f"s3://{bucket}/run").read("prize") == str(won.index(True)).encode()


def test_what_another_client_wrote_is_seen_at_once(store: Store, bucket: str) -> None:
    store.create("journal/1", b"")
    assert store.list("journal") == ["journal/1"]
    Store.open(f"s3://{bucket}/runs/one").create("journal/2", b"")
    assert store.exists("journal/2")
    assert store.list("journal") == ["journal/1", "journal/2"]


def test_placeholders_of_folders_are_not_objects(store: Store, bucket: str) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key="runs/one/model/", Body=b"")
    assert store.list("model") == store.list() == []
    store.create("model/adapter", b"")
    assert store.list() == ["model/adapter"]


def test_folders_travel_up_and_down_unchanged(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "source/in"
    source.mkdir(parents=True)
    (source / "weights").write_bytes(bytes(range(256)))
    (source / "empty").write_bytes(b"")
    store.upload(tmp_path / "source", "model")
    store.download("model", tmp_path / "target")
    assert (tmp_path / "target/in/weights").read_bytes() == bytes(range(256))
    assert (tmp_path / "target/in/empty").read_bytes() == b""


def test_keys_that_climb_out_of_the_target_are_refused(store: Store, bucket: str, tmp_path: Path) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key="runs/one/model/../../evil", Body=b"evil")
    with pytest.raises(InvalidInput, match="is no name below"):
        store.download("model", tmp_path / "target")
    assert list(tmp_path.iterdir()) == []


def test_probe_passes_and_leaves_nothing_behind(store: Store) -> None:
    store.check_writable()
    assert store.list() == []


def test_a_bucket_that_is_not_there_is_told_in_one_line(bucket: str) -> None:
    with pytest.raises(InvalidInput, match=r"^storage root s3://absent-\S+/run cannot be written: .*bucket[^\n]*$"):
        Store.open(f"s3://absent-{bucket}/run").check_writable()


def test_journal_opens_commits_and_closes(store: Store) -> None:
    attempt = Journal(store).open_attempt("kubernetes", "job-1", ["node-a"])
    commit = attempt.commit(20, "checkpoints/20", "digest")
    close = attempt.close("done", 0)
    assert Journal(store).entries()[1:] == [commit, close]

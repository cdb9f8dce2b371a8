from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.outcome import Failed, Saved
from launcher.checkpoint.restore import newest_valid
from launcher.storage.client import single_try
from launcher.storage.retry import Retry, StoreFailed
from launcher.storage.store import Store
from tests.checkpoint.saving import SLOTS, begin, destination, open_attempt, outcomes, save, savers, whole
from tests.faults.proxy import FaultProxy
from tests.faults.s3 import KEYS, client, new_bucket, s3_server


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def proxy(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with FaultProxy(endpoint, seed=3, stall_s=0.5) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def store(proxy: FaultProxy, endpoint: str) -> Store:
    return Store.open(f"s3://{new_bucket(endpoint)}/run")


def committed(store: Store) -> list[int]:
    return [entry.step for entry in Journal(store).entries() if isinstance(entry, Commit)]


def test_a_store_that_fails_one_request_in_five_costs_time_and_nothing_else(store: Store, proxy: FaultProxy) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        for step in range(1, 9):
            proxy.rate = 0.2 if step % 2 else 0.0
            assert [type(each) for each in save(ranks, 2, step)] == [Saved, Saved]
    assert proxy.faults > 0
    assert committed(store) == list(range(1, 9))


@pytest.mark.parametrize("kind", ["lost-answer", "reset", "slow-down", "truncate", "short", "flip"])
def test_a_fault_that_every_request_suffers_once_is_mended(
    store: Store, proxy: FaultProxy, tmp_path: Path, kind: str
) -> None:
    where = destination(store, open_attempt(store))
    proxy.times, proxy.rate, proxy.kinds = 1, 1.0, {kind}
    with savers(where) as ranks:
        assert [type(each) for each in save(ranks, 2, 8)] == [Saved, Saved]
    journal = Journal(store, Retry())
    proxy.rate = 0
    assert committed(store) == [8]
    journal.entries()
    proxy.rate = 1.0
    told: list[str] = []
    found = newest_valid(store, journal, told.append, tmp_path)
    assert proxy.counts[kind] > 1
    assert found is not None
    assert told == []
    for slot in SLOTS:
        assert torch.equal(found.read(slot, 0, found.total(slot)), whole(slot, 8))


def test_a_store_that_is_down_fails_the_save_in_one_line_and_the_next_one_is_committed(
    store: Store, proxy: FaultProxy
) -> None:
    with savers(destination(store, open_attempt(store), deadline_s=0.5)) as ranks:
        proxy.down = True
        begin(ranks, 2, 1)
        for outcome in outcomes(ranks):
            assert isinstance(outcome, Failed)
            assert "the store failed" in outcome.why
            assert "\n" not in outcome.why
        proxy.down = False
        assert isinstance(save(ranks, 2, 2)[0], Saved)
    assert committed(store) == [2]


def test_a_store_that_is_down_is_not_taken_for_a_damaged_checkpoint(
    store: Store, proxy: FaultProxy, tmp_path: Path
) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        save(ranks, 2, 1)
    told: list[str] = []
    proxy.kinds, proxy.rate = {"error"}, 1.0
    journal = Journal(single_try(store), Retry(deadline=0.5))
    with pytest.raises(StoreFailed, match="journal: the store failed"):
        newest_valid(store, journal, told.append, tmp_path, Retry(deadline=0.5))
    assert told == []


def test_what_was_fetched_once_is_not_fetched_again(store: Store, proxy: FaultProxy, tmp_path: Path) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        save(ranks, 2, 1)
    counts = []
    for _ in range(2):
        before = proxy.counts["passed"]
        assert newest_valid(store, Journal(store), print, tmp_path) is not None
        counts.append(proxy.counts["passed"] - before)
    assert counts[1] == counts[0] - 2 * 4, "size and bytes of four files"


def test_files_kept_on_the_node_are_not_fetched(store: Store, proxy: FaultProxy, tmp_path: Path) -> None:
    with savers(destination(store, open_attempt(store), staging=str(tmp_path))) as ranks:
        save(ranks, 2, 1)
    bucket, _, key = store.root.partition("/")
    folder = Journal(store).entries()[-1]
    assert isinstance(folder, Commit)
    kept = sorted(path.name for path in tmp_path.rglob("*.safetensors"))
    assert kept == ["rank-0.safetensors", "rank-1.safetensors"]
    # Were they asked for, they would not be found
    s3 = client(proxy._upstream)
    for name in kept:
        s3.delete_object(Bucket=bucket, Key=f"{key}/{folder.checkpoint}/{name}")
    found = newest_valid(store, Journal(store), print, tmp_path)
    assert found is not None
    assert torch.equal(found.read(SLOTS[0], 0, 9), whole(SLOTS[0], 1)[:9])


def test_an_object_that_is_damaged_at_rest_is_named(store: Store, endpoint: str, tmp_path: Path) -> None:
    with savers(destination(store, open_attempt(store))) as ranks:
        for step in (1, 2):
            save(ranks, 2, step)
    commit = Journal(store).entries()[-1]
    assert isinstance(commit, Commit)
    name = f"{commit.checkpoint}/rank-1.safetensors"
    data = bytearray(store.read(name))
    data[-1] ^= 1
    store.write(name, bytes(data))
    told: list[str] = []
    found = newest_valid(store, Journal(store), told.append, tmp_path)
    assert found is not None
    assert found.commit.step == 1
    (line,) = told
    assert line.endswith(f"{store.location}/{name} has another checksum than when it was written")

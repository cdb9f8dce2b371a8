import os
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from launcher.data.prepared import whole
from launcher.data.prepared.manifest import INDEX_SCHEMA, MANIFEST, BlockIndex
from launcher.data.prepared.opened import open_prepared
from launcher.data.prepared.reader import BlockReader
from launcher.data.prepared.whole import keep_whole, read_whole
from launcher.errors import InvalidInput
from launcher.storage import local
from launcher.storage.retry import Retry, StoreFailed
from launcher.storage.store import CannotWrite, Store
from tests.data.prepared.patience import CALM, QUICK
from tests.data.prepared.small_set import SmallSet
from tests.faults.proxy import DATA, EARLY, FaultProxy
from tests.faults.s3 import new_bucket

BRIEF = Retry(first=0.05, deadline=3.0)


@pytest.fixture
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Index files are fetched in about a dozen parts."""
    monkeypatch.setattr(whole, "PART", 500)


def same(one: BlockIndex, other: BlockIndex) -> bool:
    columns = ("shard", "offset", "length", "rows", "tokens", "checksum", "starts", "_lengths")
    assert len(columns) == len(INDEX_SCHEMA.names) + 1
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)


def mapped(path: Path) -> bool:
    """Whether this process has a map of a file."""
    return str(path) in Path("/proc/self/maps").read_text()


def kept_index(folder: Path, made: SmallSet) -> Path:
    return folder / made.manifest.digest[:32] / "index.arrow"


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :]


@pytest.mark.usefixtures("many_parts")
@pytest.mark.parametrize("kept", [True, False])
def test_a_data_set_is_opened_from_any_store_and_its_blocks_are_read(
    small: SmallSet, tmp_path: Path, kept: bool
) -> None:
    opened = open_prepared(small.store, tmp_path / "node" if kept else None, CALM)
    assert opened.manifest == small.manifest
    assert same(opened.index, small.index)
    with BlockReader(opened.store, opened.manifest, opened.index, retry=CALM) as reader:
        assert small.holds(5, reader.read(5))


def test_a_local_index_is_mapped_where_it_is(tmp_path: Path) -> None:
    made = SmallSet.write(Store.open(str(tmp_path / "data")))
    opened = open_prepared(made.store, tmp_path / "node")
    assert mapped(tmp_path / "data" / "index.arrow")
    assert not (tmp_path / "node").exists()
    assert len(opened.index) == 24


def test_a_remote_index_is_fetched_once_and_mapped(proxy: FaultProxy, remote: SmallSet, tmp_path: Path) -> None:
    for requests in (2, 3):  # the manifest is read each time
        opened = open_prepared(remote.store, tmp_path)
        assert proxy.counts == {"passed": requests}
        assert mapped(kept_index(tmp_path, remote))
        assert same(opened.index, remote.index)
        assert not any(column.flags.owndata for column in (opened.index.offset, opened.index.lengths(3)))


def test_ranks_of_a_node_fetch_the_index_once(proxy: FaultProxy, remote: SmallSet, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as ranks:
        opened = list(ranks.map(lambda _: open_prepared(remote.store, tmp_path), range(4)))
    assert all(same(each.index, remote.index) for each in opened)
    assert proxy.counts == {"passed": 4 + 1}


@pytest.mark.parametrize("damage", [lambda data: flip(data, 900), lambda data: data[:-1], lambda data: b""])
def test_a_kept_index_that_was_damaged_is_fetched_again(
    remote: SmallSet, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    open_prepared(remote.store, tmp_path)
    path = kept_index(tmp_path, remote)
    path.write_bytes(damage(path.read_bytes()))
    assert same(open_prepared(remote.store, tmp_path).index, remote.index)
    assert path.read_bytes() == remote.store.read("index.arrow")


@pytest.mark.usefixtures("many_parts")
@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("rate", [pytest.param(0.1, marks=pytest.mark.slow), 0.3])
def test_a_store_that_fails_now_and_then_gives_the_undisturbed_index(
    server: str, proxy: FaultProxy, tmp_path: Path, rate: float, kept: bool
) -> None:
    made = SmallSet.write(Store.open(f"s3://{new_bucket(server)}/data"), shards=4, blocks=25)
    proxy.rate = rate
    for number in range(3):
        opened = open_prepared(made.store, tmp_path / str(number) if kept else None, QUICK)
        assert opened.manifest == made.manifest
        assert same(opened.index, made.index)
    assert proxy.faults


@pytest.mark.parametrize("kind", sorted(EARLY | DATA))
def test_each_fault_passes(proxy: FaultProxy, remote: SmallSet, tmp_path: Path, kind: str) -> None:
    proxy.rate, proxy.kinds, proxy.times = 1.0, [kind], 2
    opened = open_prepared(remote.store, tmp_path, QUICK)
    assert opened.manifest == remote.manifest
    assert same(opened.index, remote.index)
    assert proxy.counts[kind] >= 2 * 2


@pytest.mark.usefixtures("many_parts")
def test_a_damaged_index_is_refused_with_both_checksums(small: SmallSet, tmp_path: Path) -> None:
    data = small.store.read("index.arrow")
    small.store.write("index.arrow", flip(data, 1500))
    with pytest.raises(InvalidInput) as refused:
        open_prepared(small.store, tmp_path / "node", CALM)
    told = str(refused.value)
    assert told.startswith(f"{small.store.location}/index.arrow has the checksum ")
    assert f"and the manifest says {small.manifest.index.xxh3_128}; " in told
    assert "\n" not in told
    assert [path for path in (tmp_path / "node").rglob("*") if path.is_file() and path.name != "lock"] == []


@pytest.mark.usefixtures("many_parts")
@pytest.mark.parametrize("change", [-700, -1, 1, 700])
def test_an_index_of_another_size_is_refused(small: SmallSet, tmp_path: Path, change: int) -> None:
    data = small.store.read("index.arrow")
    small.store.write("index.arrow", data[:change] if change < 0 else data + b"x" * change)
    with pytest.raises(InvalidInput, match=r"/index\.arrow has (not the )?[\d,]+ bytes") as refused:
        open_prepared(small.store, tmp_path / "node", CALM)
    assert "\n" not in str(refused.value)


def test_an_index_that_is_missing_is_told(small: SmallSet, tmp_path: Path) -> None:
    small.store.remove("index.arrow")
    with pytest.raises(InvalidInput, match=r"/index.arrow is not there, and the manifest lists it; "):
        open_prepared(small.store, tmp_path / "node", CALM)


def test_a_damaged_manifest_is_refused_with_both_checksums(small: SmallSet) -> None:
    data = small.manifest.to_json()
    small.store.write(MANIFEST, data.replace(b'"task": "l', b'"task": "m'))
    with pytest.raises(
        InvalidInput, match=r"manifest.json is damaged.*checksum is '\w{32}', and its content's '\w{32}'"
    ):
        open_prepared(small.store, None, CALM)


def test_an_index_that_counts_otherwise_than_the_manifest_is_refused(small: SmallSet) -> None:
    totals = replace(small.manifest.totals, documents=1)
    small.store.write(MANIFEST, replace(small.manifest, totals=totals).to_json())
    with pytest.raises(InvalidInput, match="does not add up to the manifest's totals"):
        open_prepared(small.store, None, CALM)


@pytest.mark.parametrize("kept", [True, False])
def test_a_store_that_is_down_is_told_in_one_line(
    proxy: FaultProxy, remote: SmallSet, tmp_path: Path, kept: bool
) -> None:
    proxy.down = True
    with pytest.raises(StoreFailed, match=r"/manifest\.json: the store failed \d+ times in .+; see that") as caught:
        open_prepared(remote.store, tmp_path if kept else None, BRIEF)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("many_parts")
def test_a_store_that_goes_down_between_manifest_and_index_is_told_in_one_line(
    proxy: FaultProxy, remote: SmallSet, tmp_path: Path
) -> None:
    proxy.down = True
    for fetched in (
        lambda: read_whole(remote.store, remote.manifest.index, BRIEF),
        lambda: keep_whole(remote.store, remote.manifest.index, tmp_path / "index", BRIEF),
    ):
        with pytest.raises(StoreFailed, match=r"/index\.arrow: the store failed \d+ times in .+; see that") as caught:
            fetched()
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_takes_no_more_is_told_in_one_line_and_nothing_is_left(remote: SmallSet, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(CannotWrite, match=r"index.arrow cannot be written: .*File too large; make room there"):
            open_prepared(remote.store, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["lock"]


def test_a_folder_that_cannot_be_made_is_told_in_one_line(remote: SmallSet, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(CannotWrite, match=r"cannot be written: .*; give another folder"):
        open_prepared(remote.store, tmp_path / "file")


def test_what_a_killed_process_left_of_the_index_is_removed(remote: SmallSet, tmp_path: Path) -> None:
    path = kept_index(tmp_path, remote)
    path.parent.mkdir()
    half = path.with_name(f"{local.TEMPORARY}{uuid4().hex}")
    half.write_bytes(b"half")
    os.utime(half, (1.0, 1.0))
    open_prepared(remote.store, tmp_path)
    assert {each.name for each in path.parent.iterdir()} == {"index.arrow", "lock"}

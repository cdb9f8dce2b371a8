from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import xxhash

from launcher.data.encode import Example
from launcher.data.prepared.manifest import MANIFEST, VERSION, Manifest, Shard, Totals
from launcher.data.prepared.shards import BlockSize, index_bytes, write_shard
from launcher.data.prepared.verify import read_manifest, verify
from launcher.errors import InvalidInput
from launcher.storage.retry import Retry, StoreFailed
from launcher.storage.store import Store
from tests.data.prepared.patience import QUICK
from tests.data.prepared.small_set import SmallSet
from tests.faults.proxy import DATA, FaultProxy

FIRST, SECOND, INDEX = "shards/0.arrow", "shards/1.arrow", "index.arrow"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two shards of two blocks each, with their index and manifest."""
    store, receipts = Store.open(str(tmp_path)), []
    for number, name in enumerate((FIRST, SECOND)):
        examples = [Example([number, 5, 6], [-100, 5, 6], truncated=False)] * 4
        data, receipt = write_shard(name, number, examples, BlockSize(documents=2))
        store.create(name, data)
        receipts.append(receipt)
    index = index_bytes(receipts)
    store.create(INDEX, index)
    totals, shards = Totals(8, 24, 4, 0, 0), [receipt.shard for receipt in receipts]
    listed = Shard(INDEX, len(index), xxhash.xxh3_128_hexdigest(index))
    store.create(MANIFEST, Manifest(VERSION, "arrow", "text", "", 64, "", {}, totals, shards, listed).to_json())
    return tmp_path


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def removed(file: Path) -> None:
    file.unlink()


def rewrite(folder: Path, change: Callable[[Manifest], Manifest]) -> None:
    """Put another manifest in place, which is whole in itself."""
    file = folder / MANIFEST
    file.write_bytes(change(Manifest.from_json(file.read_bytes(), "")).to_json())


def test_a_whole_data_set_is_verified_to_its_last_block(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    assert verify(Store.open(str(folder)), show=lambda done, total: told.append((done, total))).totals.documents == 8
    sizes = [(folder / name).stat().st_size for name in (FIRST, SECOND)]
    assert told == [(sizes[0], sum(sizes)), (sum(sizes), sum(sizes))]


def test_a_manifest_with_one_flipped_bit_is_refused_wherever_the_bit_is(folder: Path) -> None:
    file = folder / MANIFEST
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        with pytest.raises(InvalidInput, match=r"manifest\.json is damaged") as refused:
            Manifest.from_json(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], str(file))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", sorted(DATA))
def test_damage_on_the_way_is_fetched_again(proxy: FaultProxy, remote: SmallSet, kind: str) -> None:
    proxy.rate, proxy.kinds, proxy.times = 1.0, [kind], 1
    assert verify(remote.store, QUICK) == remote.manifest
    assert proxy.counts[kind] >= 1 + 1 + 3  # manifest, index, shards


def test_a_store_that_is_down_is_told_in_one_line(proxy: FaultProxy, remote: SmallSet) -> None:
    proxy.down = True
    with pytest.raises(StoreFailed, match=r"/manifest\.json: the store failed \d+ times in .+; see that") as caught:
        verify(remote.store, Retry(first=0.05, deadline=2.0))
    assert "\n" not in str(caught.value)


def test_a_block_damaged_in_the_store_is_told_by_its_shard_with_both_checksums(remote: SmallSet) -> None:
    remote.damage(9)
    listed = remote.manifest.shards[1]
    with pytest.raises(InvalidInput, match=f"/{listed.name} has the checksum .{{32}}, .* says {listed.xxh3_128}; "):
        verify(remote.store, QUICK)


@pytest.mark.parametrize("name", [FIRST, SECOND, INDEX])
@pytest.mark.parametrize(("damage", "told"), [(flipped, "checksum"), (truncated, "bytes"), (removed, "is not there")])
def test_a_damaged_file_is_named_with_what_is_wrong(
    folder: Path, name: str, damage: Callable[[Path], None], told: str
) -> None:
    damage(folder / name)
    with pytest.raises(InvalidInput, match=told) as refused:
        verify(Store.open(str(folder)))
    assert f"{folder}/{name}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_manifest_that_does_not_match_its_index_is_refused(folder: Path) -> None:
    rewrite(folder, lambda manifest: replace(manifest, totals=replace(manifest.totals, documents=9)))
    with pytest.raises(InvalidInput, match="does not add up"):
        verify(Store.open(str(folder)))


def test_shards_that_changed_places_are_told(folder: Path) -> None:
    names = {FIRST: SECOND, SECOND: FIRST}
    rewrite(folder, lambda each: replace(each, shards=[replace(one, name=names[one.name]) for one in each.shards]))
    with pytest.raises(InvalidInput, match="checksum"):
        verify(Store.open(str(folder)))


def test_a_folder_without_a_manifest_is_told_as_unfinished(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="was not finished"):
        read_manifest(Store.open(str(tmp_path)))

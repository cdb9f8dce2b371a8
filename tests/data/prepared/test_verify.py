from collections.abc import Callable
from pathlib import Path

import pytest
import xxhash

from launcher.data.encode import Example
from launcher.data.prepared.manifest import MANIFEST, VERSION, Manifest, Shard, Totals
from launcher.data.prepared.shards import BlockSize, index_bytes, write_shard
from launcher.data.prepared.verify import read_manifest, verify
from launcher.errors import InvalidInput
from launcher.storage.store import Store

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


def test_a_whole_data_set_is_verified_to_its_last_block(folder: Path) -> None:
    assert verify(Store.open(str(folder))).totals.documents == 8


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
    file = folder / MANIFEST
    file.write_bytes(file.read_bytes().replace(b'"documents": 8', b'"documents": 9'))
    with pytest.raises(InvalidInput, match="does not add up"):
        verify(Store.open(str(folder)))


def test_shards_that_changed_places_are_told(folder: Path) -> None:
    file = folder / MANIFEST
    data = file.read_bytes().replace(FIRST.encode(), b"?").replace(SECOND.encode(), FIRST.encode())
    file.write_bytes(data.replace(b"?", SECOND.encode()))
    with pytest.raises(InvalidInput, match="checksum"):
        verify(Store.open(str(folder)))


def test_a_folder_without_a_manifest_is_told_as_unfinished(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="was not finished"):
        read_manifest(Store.open(str(tmp_path)))

"""Parquet that was indexed in place, read by block."""

from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import PreTrainedTokenizerBase

from launcher.data.encode import IGNORED
from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.manifest import MANIFEST
from launcher.data.prepared.opened import PreparedSet, open_prepared
from launcher.data.prepared.parquet import index_parquet
from launcher.data.prepared.reader import BlockReader, CorruptBlock
from launcher.data.prepared.verify import verify
from launcher.errors import InvalidInput
from launcher.model.scratch import make_tokenizer
from launcher.recipe.task import Text
from launcher.storage.retry import Retry
from launcher.storage.store import Store
from tests.data.prepared.patience import CALM, QUICK
from tests.faults.proxy import DATA, EARLY, FaultProxy
from tests.faults.s3 import new_bucket

FILES, GROUPS, ROWS = 3, 4, 5
"""Files, row groups of each, and documents of each row group."""
TEXT = Text(kind="text")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return make_tokenizer(["a"], 260, 64)


def write(store: Store, seed: int = 0) -> list[list[list[int]]]:
    """Files of documents, which come back block by block."""
    random = np.random.default_rng(seed)
    documents = [random.integers(0, 260, size).tolist() for size in random.integers(1, 99, FILES * GROUPS * ROWS)]
    for number in range(FILES):
        part = documents[number * GROUPS * ROWS : (number + 1) * GROUPS * ROWS]
        sink = pa.BufferOutputStream()
        columns = {"text": ["words"] * len(part), "input_ids": part, "n": [len(each) for each in part]}
        pq.write_table(pa.table(columns), sink, row_group_size=ROWS)
        store.write(f"data/part-{number}.parquet", sink.getvalue().to_pybytes())
    return [documents[start : start + ROWS] for start in range(0, len(documents), ROWS)]


def holds(reader: BlockReader, block: int, documents: list[list[int]]) -> bool:
    data = reader.read(block)
    ids = [data.input_ids[start:end].tolist() for start, end in pairwise(data.starts)]
    labels = [data.labels[start:end].tolist() for start, end in pairwise(data.label_starts)]
    return ids == documents and labels == [[IGNORED, *each[1:]] for each in documents]


def reader_of(opened: PreparedSet, cache: BlockCache | None = None, retry: Retry = QUICK) -> BlockReader:
    return BlockReader(opened.store, opened.manifest, opened.index, cache=cache, retry=retry)


def flip(store: Store, name: str, place: int) -> None:
    data = bytearray(store.read(name))
    data[place] ^= 4
    store.write(name, bytes(data))


@pytest.fixture
def bucket(server: str, proxy: FaultProxy) -> Store:
    return Store.open(f"s3://{new_bucket(server)}/data")


@pytest.fixture(params=["local", "memory", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "bucket":
        made: Store = request.getfixturevalue("bucket")
        return made
    return Store.open(str(tmp_path / "data") if request.param == "local" else f"memory://{uuid4()}")


def test_every_row_group_is_read_where_it_is(store: Store, tokenizer: PreTrainedTokenizerBase) -> None:
    blocks = write(store)
    manifest = index_parquet(store, TEXT, tokenizer)
    opened = open_prepared(store, None, CALM)
    assert opened.manifest == manifest == verify(store, CALM)
    with reader_of(opened) as reader:
        order = np.random.default_rng(1).permutation(len(blocks)).tolist()
        assert [block for block, _ in reader.ahead(order, window=4)] == order
        assert all(holds(reader, block, blocks[block]) for block in order)


def test_the_footer_of_each_file_is_fetched_once(
    proxy: FaultProxy, bucket: Store, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    blocks = write(bucket)
    index_parquet(bucket, TEXT, tokenizer)
    opened = open_prepared(bucket, None)
    proxy.counts.clear()
    with reader_of(opened, retry=CALM) as reader:  # which asks twice for nothing, however loaded the machine
        for future in [future for _, future in reader.ahead([*range(len(blocks))] * 2, window=2 * len(blocks))]:
            future.result()
    assert proxy.counts == {"passed": FILES + 2 * len(blocks)}
    proxy.counts.clear()
    for _ in range(3):  # as the ranks of a node
        with reader_of(opened, BlockCache(tmp_path, 1 << 30, pytest.fail), CALM) as reader:
            assert all(holds(reader, block, documents) for block, documents in enumerate(blocks))
    assert proxy.counts == {"passed": FILES + len(blocks)}


@pytest.mark.parametrize("kind", sorted(EARLY | DATA))
def test_each_fault_passes_in_blocks_and_footers(
    proxy: FaultProxy, bucket: Store, tokenizer: PreTrainedTokenizerBase, kind: str
) -> None:
    blocks = write(bucket)
    index_parquet(bucket, TEXT, tokenizer)
    opened = open_prepared(bucket, None)
    proxy.counts.clear()
    proxy.rate, proxy.kinds, proxy.times = 1.0, [kind], 1
    with reader_of(opened) as reader:
        assert holds(reader, GROUPS, blocks[GROUPS])
    assert proxy.counts[kind] == 2


def test_a_damaged_footer_makes_every_block_of_its_file_corrupt_and_no_other(
    store: Store, tokenizer: PreTrainedTokenizerBase
) -> None:
    blocks = write(store)
    manifest = index_parquet(store, TEXT, tokenizer)
    opened = open_prepared(store, None, CALM)
    footer = manifest.footers[1].length
    offset = manifest.shards[1].size - footer
    flip(store, "data/part-1.parquet", offset + footer // 2)
    place = f"{store.location}/data/part-1.parquet, footer at offset {offset} is corrupt: its checksum differs; "
    with reader_of(opened) as reader:
        for block, documents in enumerate(blocks):
            if opened.index.shard[block] != 1:
                assert holds(reader, block, documents)
                continue
            with pytest.raises(CorruptBlock) as caught:
                reader.read(block)
            assert caught.value.block == block
            assert str(caught.value).startswith(place)


def test_a_damaged_row_group_is_the_only_corrupt_block(store: Store, tokenizer: PreTrainedTokenizerBase) -> None:
    blocks = write(store)
    index_parquet(store, TEXT, tokenizer)
    opened = open_prepared(store, None, CALM)
    flip(store, "data/part-2.parquet", int(opened.index.offset[9]) + 20)
    with reader_of(opened) as reader:
        for block, documents in enumerate(blocks):
            if block != 9:
                assert holds(reader, block, documents)
        with pytest.raises(CorruptBlock, match=r"/data/part-2.parquet, block 9 at offset \d+ is corrupt: its checksum"):
            reader.read(9)


def test_an_index_that_lost_its_manifest_is_finished(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    store = Store.open(str(tmp_path))
    write(store)
    first = index_parquet(store, TEXT, tokenizer)
    store.remove(MANIFEST)
    assert index_parquet(store, TEXT, tokenizer) == first


def test_files_that_changed_are_not_indexed_over_the_old_index(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    store = Store.open(str(tmp_path))
    write(store)
    first = index_parquet(store, TEXT, tokenizer)
    write(store, seed=1)
    with pytest.raises(InvalidInput, match=r"manifest.json is there with other bytes"):
        index_parquet(store, TEXT, tokenizer)
    assert store.read(MANIFEST) == first.to_json()

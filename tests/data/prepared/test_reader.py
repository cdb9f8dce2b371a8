import pickle
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.reader import BlockReader, CannotRead, Closed, CorruptBlock
from launcher.storage.retry import Retry, StoreFailed
from launcher.storage.store import Store
from tests.data.prepared.patience import CALM, QUICK
from tests.data.prepared.small_set import SmallSet
from tests.faults.proxy import DATA, EARLY, FaultProxy
from tests.faults.s3 import new_bucket

LIMIT = 1 << 30


def reader_of(made: SmallSet, cache: BlockCache | None = None, retry: Retry = CALM) -> BlockReader:
    return BlockReader(made.store, made.manifest, made.index, cache=cache, retry=retry)


def all_read(made: SmallSet, reader: BlockReader) -> bool:
    """Whether every block comes as it was written, in an order that is asked for."""
    order = np.random.default_rng(7).permutation(len(made.index)).tolist()
    came = [(block, made.holds(block, future.result())) for block, future in reader.ahead(order, window=6)]
    return came == [(block, True) for block in order]


def test_blocks_come_as_they_were_written_in_the_order_that_is_asked_for(small: SmallSet) -> None:
    with reader_of(small) as reader:
        assert all_read(small, reader)
        assert small.holds(5, reader.read(5))


@pytest.mark.parametrize("window", [0, 1, 5])
def test_no_more_blocks_are_fetched_ahead_than_the_window(small: SmallSet, window: int) -> None:
    asked: list[int] = []

    def endless() -> Iterator[int]:
        while True:
            asked.append(len(asked) % len(small.index))
            yield asked[-1]

    with reader_of(small) as reader:
        for taken, (block, future) in enumerate(reader.ahead(endless(), window), start=1):
            assert small.holds(block, future.result())
            assert len(asked) == taken + window
            if taken == 60:
                break


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
def test_a_store_that_fails_now_and_then_gives_the_undisturbed_blocks(
    proxy_of: Callable[..., FaultProxy], server: str, rate: float
) -> None:
    proxy = proxy_of(seed=1)
    made = SmallSet.write(Store.open(f"s3://{new_bucket(server)}/data"), shards=4, blocks=25)
    proxy.counts.clear()
    proxy.rate = rate
    with reader_of(made, retry=QUICK) as reader:
        assert all_read(made, reader)
    assert proxy.counts["passed"] >= 100
    assert proxy.faults >= 50 * rate - 1


@pytest.mark.parametrize("kind", sorted(EARLY | DATA))
def test_each_fault_passes(proxy: FaultProxy, remote: SmallSet, kind: str) -> None:
    proxy.rate, proxy.kinds, proxy.times = 1.0, [kind], 2
    with reader_of(remote, retry=QUICK) as reader:
        assert remote.holds(3, reader.read(3))
    assert proxy.counts[kind] >= 2


def test_a_store_that_stays_down_is_told_in_one_line_with_key_and_last_error(
    proxy: FaultProxy, remote: SmallSet
) -> None:
    proxy.down = True
    with reader_of(remote, retry=Retry(first=0.05, deadline=5.0)) as reader, pytest.raises(StoreFailed) as caught:
        reader.read(9)
    place = f"{remote.store.location}/shards/00001.arrow, block 9 at offset {remote.index.offset[9]}"
    assert str(caught.value).startswith(f"{place}: the store failed ")
    assert "at last with: Co" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_block_that_is_corrupt_in_the_store_is_told_and_the_others_come(small: SmallSet) -> None:
    small.damage(9)
    with reader_of(small) as reader:
        for block, future in reader.ahead(range(len(small.index)), window=4):
            if block != 9:
                assert small.holds(block, future.result())
                continue
            with pytest.raises(CorruptBlock) as caught:
                future.result()
    place = f"{small.store.location}/shards/00001.arrow, block 9 at offset {small.index.offset[9]}"
    assert str(caught.value).startswith(f"{place} is corrupt: its checksum differs; ")
    assert caught.value.block == 9
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # ranks send it to the driver
    assert "\n" not in str(caught.value)


def test_a_corrupt_block_is_told_from_damage_on_the_way(proxy: FaultProxy, remote: SmallSet) -> None:
    remote.damage(4)
    proxy.rate, proxy.kinds = 0.3, DATA
    with reader_of(remote) as reader:
        for block, future in reader.ahead(range(len(remote.index)), window=4):
            if block == 4:
                with pytest.raises(CorruptBlock):
                    future.result()
            else:
                assert remote.holds(block, future.result())


def test_a_shard_that_was_cut_is_corrupt_from_there_on(small: SmallSet) -> None:
    name = small.manifest.shards[0].name
    small.store.write(name, small.store.read(name)[: int(small.index.offset[6]) + 100])
    with reader_of(small) as reader:
        assert small.holds(5, reader.read(5))
        with pytest.raises(CorruptBlock, match=r"block 6 at offset \d+ is corrupt: 100 of \d+ bytes came; "):
            reader.read(6)
        with pytest.raises(CorruptBlock, match=r"block 7 at offset \d+ is corrupt: 0 of \d+ bytes came; "):
            reader.read(7)


def test_a_shard_that_is_not_there_is_told_in_one_line(small: SmallSet) -> None:
    small.store.remove(small.manifest.shards[1].name)
    told = r"/shards/00001.arrow, block 8 at offset \d+ cannot be read: [^\n]+; see that the shard is there[^\n]+$"
    with reader_of(small) as reader, pytest.raises(CannotRead, match=told):
        reader.read(8)


def test_a_block_that_is_not_the_one_of_the_index_is_corrupt(small: SmallSet) -> None:
    rows, tokens = int(small.index.rows[2]), int(small.index.tokens[2])
    small.index.rows = small.index.rows + 1
    told = f"{rows} documents of {tokens} tokens are there, {rows + 1} of {tokens} in the index; "
    with reader_of(small) as reader, pytest.raises(CorruptBlock, match=told):
        reader.read(2)


def test_a_cache_outlives_the_store(proxy: FaultProxy, remote: SmallSet, tmp_path: Path) -> None:
    with reader_of(remote, BlockCache(tmp_path, LIMIT, pytest.fail)) as reader:
        assert all_read(remote, reader)
    proxy.down = True
    with reader_of(remote, BlockCache(tmp_path, LIMIT, pytest.fail)) as reader:
        assert all_read(remote, reader)
    assert proxy.counts == {"passed": len(remote.index)}


def test_a_flipped_bit_in_the_cache_costs_one_request(proxy: FaultProxy, remote: SmallSet, tmp_path: Path) -> None:
    with reader_of(remote, BlockCache(tmp_path, LIMIT, pytest.fail)) as reader:
        assert remote.holds(7, reader.read(7))
        (entry,) = (path for path in (tmp_path / "blocks").rglob("*") if path.is_file())
        flipped = bytearray(entry.read_bytes())
        flipped[1000] ^= 1
        entry.write_bytes(flipped)
        assert remote.holds(7, reader.read(7))
        assert remote.holds(7, reader.read(7))
    assert proxy.counts == {"passed": 2}


def test_a_corrupt_block_is_never_cached(remote: SmallSet, tmp_path: Path) -> None:
    remote.damage(7)
    with reader_of(remote, BlockCache(tmp_path, LIMIT, pytest.fail)) as reader:
        with pytest.raises(CorruptBlock):
            reader.read(7)
        remote.damage(7)  # the same bit again: mended
        assert remote.holds(7, reader.read(7))


def test_ranks_of_a_node_fetch_each_block_once(proxy: FaultProxy, remote: SmallSet, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as ranks, reader_of(remote) as unrelated:
        readers = [reader_of(remote, BlockCache(tmp_path, LIMIT, pytest.fail)) for _ in range(4)]
        assert all(ranks.map(lambda reader: all_read(remote, reader), readers))
        for each in [*readers, unrelated]:
            each.close()
    assert proxy.counts == {"passed": len(remote.index)}


def test_two_data_sets_share_a_cache_and_never_a_block(tmp_path: Path) -> None:
    cache = BlockCache(tmp_path / "cache", LIMIT, pytest.fail)
    for seed in (1, 2, 1, 2):
        made = SmallSet.write(Store.open(str(tmp_path / str(seed))), seed=seed)
        with reader_of(made, cache) as reader:
            assert all_read(made, reader)


def test_closing_ends_retries_at_once(proxy: FaultProxy, remote: SmallSet) -> None:
    proxy.down = True
    tried = threading.Event()

    def luck() -> float:
        tried.set()
        return 1.0

    reader = reader_of(remote, retry=Retry(first=1000.0, longest=1000.0, deadline=5000.0, random=luck))
    _, future = next(reader.ahead([1], window=0))
    tried.wait()
    reader.close()
    with pytest.raises(Closed):
        future.result(timeout=30)

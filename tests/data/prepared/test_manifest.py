import hashlib
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from launcher.data.encode import Example
from launcher.data.prepared.manifest import VERSION, BlockIndex, Footer, Manifest, Shard, Totals
from launcher.data.prepared.shards import BlockSize, index_bytes, write_shard
from launcher.errors import InvalidInput

COUNTS = st.integers(0, 2**60)
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
SHARDS = st.builds(Shard, st.text(min_size=1), COUNTS, HEX)
MANIFESTS = st.builds(
    Manifest,
    st.just(VERSION),
    st.sampled_from(["arrow", "parquet"]),
    st.sampled_from(["instruction", "text"]),
    HEX,
    COUNTS,
    HEX,
    st.just({"input_ids": "large_list<int32>"}),
    st.builds(Totals, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    st.lists(SHARDS, max_size=4),
    SHARDS,
    st.lists(st.builds(Footer, COUNTS, HEX), max_size=4),
)
ONE = Manifest(
    VERSION, "arrow", "text", "ab", 64, "cd", {}, Totals(3, 9, 1, 0, 0), [Shard("a", 5, "ef")], Shard("i", 7, "01")
)


@given(MANIFESTS)
@settings(deadline=None)
def test_a_manifest_is_read_as_it_was_written_and_its_digest_is_the_file_s(manifest: Manifest) -> None:
    data = manifest.to_json()
    assert Manifest.from_json(data, "here") == manifest
    assert manifest.digest == hashlib.sha256(data).hexdigest()


@given(MANIFESTS, st.data())
@settings(deadline=None)
def test_a_manifest_that_was_cut_is_refused(manifest: Manifest, data: st.DataObject) -> None:
    written = manifest.to_json()
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    with pytest.raises(InvalidInput, match="here is damaged") as refused:
        Manifest.from_json(cut, "here")
    assert "\n" not in str(refused.value)


@given(st.integers(0, len(ONE.to_json()) - 1), st.integers(0, 7))
@settings(deadline=None)
def test_a_flipped_bit_is_refused(place: int, bit: int) -> None:
    damaged = bytearray(ONE.to_json())
    damaged[place] ^= 1 << bit
    with pytest.raises(InvalidInput, match="here is damaged") as refused:
        Manifest.from_json(bytes(damaged), "here")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ((b'"version": 1', b'"version": 2'), "version"),
        ((b'"tokens": 9', b'"tokens": "9"'), "totals.tokens"),
        ((b'"made_of"', b'"made of"'), "made_of"),
        ((b'"version": 1', b'"version": 1, "more": 2'), "not as it was written"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_with_what_differs(change: tuple[bytes, bytes], told: str) -> None:
    data = ONE.to_json().replace(*change)
    with pytest.raises(InvalidInput, match=told):
        Manifest.from_json(data, "here")


@given(st.lists(st.lists(st.integers(1, 9), max_size=12), min_size=1, max_size=4), st.booleans())
@settings(deadline=None)
def test_an_index_tells_every_document_of_every_block_in_the_order_of_the_shards(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[int]], mapped: bool
) -> None:
    assume(any(shards))
    receipts = [
        write_shard(
            f"{number}", number, [Example([7] * length, [1], truncated=False) for length in lengths], BlockSize(3)
        )[1]
        for number, lengths in enumerate(shards)
    ]
    source: bytes | Path = index_bytes(receipts)
    if mapped:
        source = tmp_path_factory.mktemp("index") / "index.arrow"
        source.write_bytes(index_bytes(receipts))
    index = BlockIndex(source)
    assert [length for block in range(len(index)) for length in index.lengths(block).tolist()] == list(chain(*shards))
    assert index.tokens.tolist() == [int(index.lengths(block).sum()) for block in range(len(index))]
    assert index.rows.tolist() == [len(index.lengths(block)) for block in range(len(index))]
    assert index.starts.tolist() == [0, *index.rows.cumsum().tolist()]
    assert index.shard.tolist() == sorted(index.shard.tolist())


@pytest.mark.parametrize("cut", [0, 8, 100, -1])
def test_what_is_no_index_is_refused_in_one_line(tmp_path: Path, cut: int) -> None:
    _, receipt = write_shard("0", 0, [Example([1, 2], [1], truncated=False)], BlockSize())
    file = tmp_path / "index.arrow"
    file.write_bytes(index_bytes([receipt])[:cut])
    with pytest.raises(InvalidInput, match="is no index of blocks") as refused:
        BlockIndex(file)
    assert "\n" not in str(refused.value)

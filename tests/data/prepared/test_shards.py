import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.encode import IGNORED, Example
from launcher.data.prepared.block import SCHEMA, decode_block
from launcher.data.prepared.shards import BlockSize, Receipt, write_shard

TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=9)
TEXTS = st.builds(lambda ids, cut: Example(ids, [IGNORED, *ids[1:]], cut), TOKENS, st.booleans())
CLASSES = st.builds(lambda ids, label, cut: Example(ids, [label], cut), TOKENS, st.integers(0, 5), st.booleans())
EXAMPLES = st.lists(TEXTS, max_size=20) | st.lists(CLASSES, max_size=20)
SIZES = st.builds(BlockSize, st.integers(1, 7), st.integers(1, 200))


@given(EXAMPLES, SIZES)
@settings(deadline=None)
def test_every_block_is_read_from_its_byte_range_alone(examples: list[Example], size: BlockSize) -> None:
    data, receipt = write_shard("shards/a.arrow", 3, examples, size)
    kept = [example for example in examples if example.label_tokens]
    read = []
    for row in receipt.blocks.to_pylist():
        part = data[row["offset"] : row["offset"] + row["length"]]
        assert xxhash.xxh3_64_intdigest(part) == row["xxh3_64"]
        block = decode_block(part)
        starts, labels = block.starts.tolist(), block.label_starts.tolist()
        documents = [
            (block.input_ids[a:b].tolist(), block.labels[c:d].tolist())
            for a, b, c, d in zip(starts, starts[1:], labels, labels[1:], strict=False)
        ]
        assert row["rows"] == len(documents)
        assert row["lengths"] == [len(ids) for ids, _ in documents]
        assert row["tokens"] == sum(row["lengths"])
        assert row["shard"] == 3
        read += documents
    assert read == [(example.input_ids, example.labels) for example in kept]
    assert (receipt.documents, receipt.tokens) == (len(kept), sum(len(example.input_ids) for example in kept))
    assert receipt.masked == len(examples) - len(kept)
    assert receipt.truncated == sum(example.truncated for example in kept)


@given(EXAMPLES, SIZES)
@settings(deadline=None)
def test_a_shard_is_an_arrow_file_and_equal_examples_make_equal_bytes(examples: list[Example], size: BlockSize) -> None:
    data, receipt = write_shard("shards/a.arrow", 0, iter(examples), size)
    again, _ = write_shard("shards/a.arrow", 0, examples, size)
    assert data == again
    assert (receipt.shard.size, receipt.shard.xxh3_128) == (len(data), xxhash.xxh3_128_hexdigest(data))
    reader = pa.ipc.open_file(data)
    assert reader.schema == SCHEMA
    assert reader.num_record_batches == receipt.blocks.num_rows
    ranges = zip(receipt.blocks["offset"].to_pylist(), receipt.blocks["length"].to_pylist(), strict=True)
    for number, (offset, length) in enumerate(ranges):
        part = pa.py_buffer(data)[offset : offset + length]
        assert pa.ipc.read_record_batch(part, SCHEMA).equals(reader.get_batch(number))


@given(EXAMPLES, SIZES)
@settings(deadline=None)
def test_a_receipt_is_read_as_it_was_written(examples: list[Example], size: BlockSize) -> None:
    _, receipt = write_shard("shards/a.arrow", 2, examples, size)
    read = Receipt.from_bytes(receipt.to_bytes())
    assert read == receipt
    assert read.to_bytes() == receipt.to_bytes()
    assert Receipt.find(receipt.to_bytes(), "shards/a.arrow") == receipt
    assert Receipt.find(receipt.to_bytes(), "shards/b.arrow") is None


@given(st.integers(0, 10**6), st.integers(0, 7), st.booleans())
@settings(deadline=None)
def test_a_receipt_with_a_flipped_bit_or_cut_is_none(place: int, bit: int, cut: bool) -> None:
    data = bytearray(write_shard("a", 0, [Example([1, 2], [IGNORED, 2], truncated=False)], BlockSize())[1].to_bytes())
    place %= len(data)
    if cut:
        del data[place:]
    else:
        data[place] ^= 1 << bit
    assert Receipt.find(bytes(data), "a") is None


def test_a_block_ends_with_the_document_that_reaches_either_limit() -> None:
    def rows(lengths: list[int], size: BlockSize) -> list[int]:
        examples = [Example([1] * length, [1] * length, truncated=False) for length in lengths]
        counts: list[int] = write_shard("a", 0, examples, size)[1].blocks["rows"].to_pylist()
        return counts

    assert rows([2] * 7, BlockSize(documents=3)) == [3, 3, 1]
    assert rows([2, 2, 5, 50, 2], BlockSize(bytes=72)) == [3, 1, 1]  # 9 tokens and 9 labels of 4 bytes are 72


@pytest.mark.parametrize("empty", [Example([], [1], truncated=False), Example([5, 6], [5, IGNORED], truncated=True)])
def test_an_example_without_tokens_or_labels_is_left_out_and_counted(empty: Example) -> None:
    full = Example([1, 2], [IGNORED, 2], truncated=False)
    data, receipt = write_shard("a", 0, [empty, full, empty], BlockSize())
    assert pa.ipc.open_file(data).read_all()["input_ids"].to_pylist() == [[1, 2]]
    assert (receipt.documents, receipt.masked, receipt.truncated) == (1, 2, 0)

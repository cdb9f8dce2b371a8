import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.prepared.block import SCHEMA, decode_block

DOCUMENTS = st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=20), max_size=20)


def message_of(documents: list[list[int]], labels: list[list[int]]) -> bytes:
    batch: bytes = pa.record_batch([documents, labels], schema=SCHEMA).serialize().to_pybytes()
    return batch


@settings(deadline=None)
@given(DOCUMENTS, st.lists(st.integers(0, 9), min_size=20, max_size=20))
def test_documents_come_back_as_they_were_written(documents: list[list[int]], classes: list[int]) -> None:
    labels = [[each] for each, _ in zip(classes, documents, strict=False)]
    block = decode_block(message_of(documents, labels))
    ends = zip(block.starts[:-1], block.starts[1:], strict=True)
    assert [block.input_ids[start:end].tolist() for start, end in ends] == documents
    assert block.labels.tolist() == classes[: len(documents)]
    assert block.label_starts.tolist() == list(range(len(documents) + 1))


def test_numbers_are_not_copied() -> None:
    message = message_of([[1, 2, 3]] * 1000, [[4, 5, 6]] * 1000)
    inside = np.frombuffer(message, np.uint8)
    block = decode_block(message)
    assert all(
        np.shares_memory(inside, numbers)
        for numbers in (block.starts, block.input_ids, block.label_starts, block.labels)
    )


@pytest.mark.parametrize("damage", ["half", "nothing", "zeros"])
def test_what_is_no_block_is_refused(damage: str) -> None:
    whole = message_of([[1, 2, 3]] * 100, [[1, 2, 3]] * 100)
    message = {"half": whole[: len(whole) // 2], "nothing": b"", "zeros": bytes(len(whole))}[damage]
    with pytest.raises(ValueError, match=r"^no record batch of documents"):
        decode_block(message)

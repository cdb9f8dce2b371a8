from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from launcher.data.encode import IGNORED
from launcher.data.prepared.fingerprint import check_tokenizer
from launcher.data.prepared.parquet import RowGroups, index_parquet
from launcher.data.prepared.verify import read_index, verify
from launcher.errors import InvalidInput
from launcher.model.scratch import make_tokenizer
from launcher.storage.store import Store

DOCUMENTS = st.lists(st.lists(st.integers(0, 299), min_size=1, max_size=9), min_size=1, max_size=30)
TYPES = st.sampled_from([pa.list_(pa.int64()), pa.large_list(pa.int32()), pa.list_(pa.uint16())])


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """260 tokens: every byte, and four special ones."""
    return make_tokenizer(["a"], 260, 64)


@given(DOCUMENTS, TYPES, st.integers(1, 9), st.sampled_from(["none", "zstd"]), st.booleans())
@settings(deadline=None)
def test_every_row_group_is_decoded_from_its_span_alone(
    documents: list[list[int]], kind: pa.DataType, rows: int, compression: str, labelled: bool
) -> None:
    labels = [[IGNORED] * len(document) for document in documents]
    columns = {"text": ["x"] * len(documents), "input_ids": pa.array(documents, kind), "mask": pa.array(documents)}
    if labelled:
        columns["labels"] = pa.array(labels)
    else:
        labels = [[IGNORED, *document[1:]] for document in documents]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, row_group_size=rows, compression=compression)
    data = sink.getvalue().to_pybytes()
    groups = RowGroups(pq.read_metadata(pa.BufferReader(data)), len(data))
    read = []
    for group in range(len(groups)):
        offset, length = groups.span(group)
        block = groups.decode(data[offset : offset + length], group)
        starts, ends = block.label_starts.tolist(), block.starts.tolist()
        assert starts == ends
        read += [
            (block.input_ids[start:end].tolist(), block.labels[start:end].tolist()) for start, end in pairwise(starts)
        ]
    assert read == list(zip(documents, labels, strict=True))


def test_files_are_indexed_where_they_are_and_verified(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    for number in range(2):
        table = pa.table({"input_ids": [[number, row + 2] * (row + 1) for row in range(10)]})
        pq.write_table(table, tmp_path / f"part-{number}.parquet", row_group_size=4)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    store = Store.open(str(tmp_path))
    manifest = index_parquet(store, "text", tokenizer)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert verify(store) == manifest == index_parquet(store, "text", tokenizer)
    assert manifest.format == "parquet"
    assert (manifest.totals.documents, manifest.totals.blocks, manifest.max_length) == (20, 6, 20)
    assert read_index(store, manifest).rows.tolist() == [4, 4, 2, 4, 4, 2]
    check_tokenizer(manifest, tokenizer, "here")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"tokens": [[1, 2]]}, "no column input_ids among tokens"),
        ({"input_ids": [1, 2]}, "cannot be read as token ids"),
        ({"input_ids": [["a", "b"]]}, "cannot be read as token ids"),
        ({"input_ids": [[1], []]}, "row 1 has no token"),
        ({"input_ids": [[1], None]}, "row 1 has no token"),
        ({"input_ids": [[1, 260]]}, "ids from 1 to 260 are not all among the tokenizer's 260"),
        ({"input_ids": [[1, 2**31]]}, "cannot be read as token ids"),
        ({"input_ids": [[1, None]]}, "1 nulls"),
    ],
)
def test_what_is_no_document_of_this_tokenizer_is_refused_in_one_line(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, columns: dict[str, list[object]], told: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match=told) as refused:
        index_parquet(Store.open(str(tmp_path)), "text", tokenizer)
    assert str(refused.value).startswith(f"{tmp_path}/a.parquet")
    assert str(refused.value).count(";") == 1
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing more", None])
def test_what_is_no_parquet_is_refused_in_one_line(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        index_parquet(Store.open(str(tmp_path)), "text", tokenizer)
    assert "\n" not in str(refused.value)

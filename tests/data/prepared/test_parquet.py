from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from launcher.data.encode import IGNORED
from launcher.data.prepared.fingerprint import check_tokenizer
from launcher.data.prepared.parquet import index_parquet
from launcher.data.prepared.row_groups import RowGroups, footer_of
from launcher.data.prepared.verify import read_index, verify
from launcher.errors import InvalidInput
from launcher.model.scratch import make_tokenizer
from launcher.recipe.task import SequenceClassification, Text
from launcher.storage.store import Store

DOCUMENTS = st.lists(st.lists(st.integers(0, 299), min_size=1, max_size=9), min_size=1, max_size=30)
TEXT = Text(kind="text")
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
    footer = footer_of(data)
    assert footer.xxh3_64 == xxhash.xxh3_64_hexdigest(data[-footer.length :])
    groups = RowGroups.of_footer(data[-footer.length :], len(data))
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
    told: list[tuple[int, int]] = []
    manifest = index_parquet(store, TEXT, tokenizer, lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert verify(store) == manifest == index_parquet(store, TEXT, tokenizer)
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
        ({"input_ids": [[1, 2], [3]], "labels": [[1, 2], [3, 3]]}, "row 1 has 2 labels, and the task asks for 1"),
        ({"input_ids": [[1, 2], [3]], "labels": [[1, 2], None]}, "row 1 has 0 labels, and the task asks for 1"),
        ({"input_ids": [[1, 2]], "labels": [[-100, 260]]}, "labels from 260 to 260 are not all from 0 to 259"),
        ({"input_ids": [[1, 2]], "labels": [[-1, 5]]}, "labels from -1 to 5 are not all from 0 to 259"),
        ({"input_ids": [[1, 2]], "labels": [[1, None]]}, "1 nulls"),
    ],
)
def test_what_is_no_document_of_this_tokenizer_is_refused_in_one_line(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, columns: dict[str, list[object]], told: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match=told) as refused:
        index_parquet(Store.open(str(tmp_path)), TEXT, tokenizer)
    assert str(refused.value).startswith(f"{tmp_path}/a.parquet")
    assert str(refused.value).count(";") == 1
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([[0], [1]], None),
        ([[0], [2]], "labels from 0 to 2 are not all from 0 to 1; "),
        ([[0], [1, 1]], "row 1 has 2 labels, and the task asks for 1; "),
        (None, "row 0 has 2 labels, and the task asks for 1; give lists in a column labels, with one label a document"),
    ],
)
def test_a_classifier_s_documents_have_one_label_each(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, labels: list[list[int]] | None, told: str | None
) -> None:
    columns: dict[str, list[list[int]]] = {"input_ids": [[1, 2], [3]]}
    if labels is not None:
        columns["labels"] = labels
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    task = SequenceClassification(kind="classification", labels=["good", "bad"])
    if told is None:
        assert index_parquet(Store.open(str(tmp_path)), task, tokenizer).task == "classification"
        return
    with pytest.raises(InvalidInput, match=told):
        index_parquet(Store.open(str(tmp_path)), task, tokenizer)


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing more", None])
def test_what_is_no_parquet_is_refused_in_one_line(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InvalidInput) as refused:
        index_parquet(Store.open(str(tmp_path)), TEXT, tokenizer)
    assert "\n" not in str(refused.value)

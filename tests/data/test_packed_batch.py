from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.encode import IGNORED, Example
from launcher.data.packed_batch import PackedBatch, collate_packs, weightless_pack
from tests.packs import documents, gathered

PAD = 9
Packs = list[list[Example]]


def example(ids: list[int]) -> Example:
    return Example(ids, [IGNORED if token % 3 else token for token in ids], truncated=False)


DOCUMENT = st.lists(st.integers(0, 8), min_size=1, max_size=7).map(example)
SOME_PACKS = st.lists(st.lists(DOCUMENT, min_size=1, max_size=4), min_size=1, max_size=4)


def test_documents_stand_side_by_side_with_their_borders_and_padding_is_a_document_without_labels() -> None:
    first, second, third = (Example(ids, ids, truncated=False) for ids in ([1, 5, 6], [1, 7], [2]))
    batch = collate_packs(gathered([[first, second], [third]], PAD))
    assert batch.input_ids.tolist() == [[1, 5, 6, 1, 7], [2, PAD, PAD, PAD, PAD]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 0, 1], [0, 0, 1, 2, 3]]
    assert batch.labels.tolist() == [[IGNORED, 5, 6, IGNORED, 7], [IGNORED] * 5]
    assert batch.cu_seqlens.tolist() == [0, 3, 5, 6, 10]
    assert (batch.longest, batch.tokens, batch.label_tokens) == (4, 6, 3)


@given(SOME_PACKS)
def test_borders_give_the_documents_back(packs: Packs) -> None:
    batch = collate_packs(gathered(packs, PAD))
    filled = [sum(len(each.input_ids) for each in pack) for pack in packs]
    width = max(filled)
    assert batch.input_ids.shape == (len(packs), width)
    borders = batch.cu_seqlens.tolist()
    stretches = [slice(*each) for each in pairwise(borders)]
    expected = []
    for pack, tokens in zip(packs, filled, strict=True):
        expected += [each.input_ids for each in pack] + [[PAD] * (width - tokens)] * (tokens < width)
    assert [batch.input_ids.view(-1)[each].tolist() for each in stretches] == expected
    places = [batch.position_ids.view(-1)[each].tolist() for each in stretches]
    assert places == [list(range(len(each))) for each in expected]
    assert batch.longest == max(map(len, expected))


@given(SOME_PACKS)
def test_the_loss_counts_the_labels_that_each_document_has_alone(packs: Packs) -> None:
    batch = collate_packs(gathered(packs, PAD))
    documents = [document for pack in packs for document in pack]
    counted = sum(label != IGNORED for document in documents for label in document.labels[1:])
    assert batch.label_tokens == counted == int((batch.labels[:, 1:] != IGNORED).sum())
    assert batch.tokens == sum(len(document.input_ids) for document in documents)


def test_a_pack_that_lost_all_its_documents_is_padding() -> None:
    kept, lost = documents([[3]])[0], []
    batch = collate_packs(gathered([kept, lost], PAD))
    assert batch.input_ids[1].tolist() == [PAD] * 3
    assert batch.labels[1].tolist() == [IGNORED] * 3
    assert batch.cu_seqlens.tolist() == [0, 3, 6]


def test_a_label_that_no_token_precedes_is_a_mistake_of_the_packer() -> None:
    packs = gathered(documents([[3, 2]]), PAD)
    packs.labels[0, 3] = 5
    with pytest.raises(AssertionError):
        collate_packs(packs)


def test_a_batch_goes_to_a_device_as_a_whole() -> None:
    batch = collate_packs(gathered(documents(), PAD))
    moved = batch.to(torch.device("meta"))
    assert isinstance(moved, PackedBatch)
    tensors = [each for each in (*moved.inputs.values(), moved.labels) if isinstance(each, torch.Tensor)]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert (moved.longest, moved.tokens, moved.label_tokens) == (batch.longest, batch.tokens, batch.label_tokens)


def test_everything_takes_32_bits_to_the_device() -> None:
    batch = collate_packs(gathered(documents(), PAD))
    assert {each.dtype for each in (batch.input_ids, batch.position_ids, batch.labels)} == {torch.int32}
    assert batch.cu_seqlens.dtype == torch.int32


def test_a_weightless_batch_has_a_token_and_no_label() -> None:
    batch = weightless_pack(PAD)
    assert batch.input_ids.tolist() == [[PAD]]
    assert (batch.tokens, batch.label_tokens) == (0, 0)
    assert np.array_equal(batch.cu_seqlens, [0, 1])

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from launcher.data.batch import Batch, pad, weightless_row
from launcher.data.encode import IGNORED, Example
from launcher.train.loss import summed_loss
from tests.packs import collate

PAD = 9
TEXT = [Example([1, 5, 6], [IGNORED, 5, 6], truncated=False), Example([1, 7], [IGNORED, 7], truncated=False)]
CLASSES = [Example([1, 5, 6], [2], truncated=False), Example([1, PAD], [0], truncated=False)]


class Tiny(nn.Module):
    """Scores 10 tokens, or 3 classes of a row, from the embeddings of its unmasked tokens."""

    def __init__(self, *, classes: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.classes = classes
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 3 if classes else 10)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> "Tiny":
        hidden = self.embedding(input_ids) * attention_mask.unsqueeze(-1)
        self.logits = self.head(hidden.sum(1) if self.classes else hidden)
        return self


def test_text_is_padded_on_the_right_and_pads_are_neither_read_nor_counted() -> None:
    batch = collate(TEXT, PAD)
    assert batch.input_ids.tolist() == [[1, 5, 6], [1, 7, PAD]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.labels.tolist() == [[IGNORED, 5, 6], [IGNORED, 7, IGNORED]]


def test_a_pad_token_inside_a_text_is_read() -> None:
    assert collate(CLASSES, PAD).attention_mask.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_classes_are_one_label_a_row() -> None:
    batch = collate(CLASSES, PAD)
    assert batch.labels.tolist() == [2, 0]
    assert all(tensor.dtype == torch.int32 for tensor in (batch.input_ids, batch.attention_mask, batch.labels))


@given(st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=7), min_size=1, max_size=5))
def test_padding_is_undone_by_the_mask(rows: list[list[int]]) -> None:
    batch = collate([Example(row, [IGNORED, *row[1:]], truncated=False) for row in rows if len(row) > 1] or TEXT, PAD)
    assert batch.input_ids.shape == batch.attention_mask.shape == batch.labels.shape
    padded, mask = pad(rows, PAD), pad([[1] * len(row) for row in rows], 0)
    assert padded.shape == (len(rows), max(map(len, rows)))
    assert [line[kept].tolist() for line, kept in zip(padded, mask.bool(), strict=True)] == rows
    assert (padded[mask == 0] == PAD).all()


def test_a_batch_goes_to_a_device_as_a_whole() -> None:
    moved = collate(TEXT, PAD).to(torch.device("meta"))
    assert isinstance(moved, Batch)
    assert {tensor.device.type for tensor in (moved.input_ids, moved.attention_mask, moved.labels)} == {"meta"}


@pytest.mark.parametrize("examples", [TEXT, CLASSES])
def test_a_weightless_batch_adds_nothing_to_loss_and_gradient(examples: list[Example]) -> None:
    model = Tiny(classes=examples is CLASSES)
    summed_loss(model, collate(examples, PAD)).backward()
    before = [parameter.grad.clone() for parameter in model.parameters()]
    loss = summed_loss(model, weightless_row(PAD, label_per_document=examples is CLASSES))
    loss.backward()
    assert loss.item() == 0
    assert all(torch.equal(one, parameter.grad) for one, parameter in zip(before, model.parameters(), strict=True))
    assert any(gradient.any() for gradient in before)


@pytest.mark.parametrize("examples", [TEXT, CLASSES])
def test_a_weightless_batch_is_of_the_kind_of_the_others(examples: list[Example]) -> None:
    whole, empty = collate(examples, PAD), weightless_row(PAD, label_per_document=examples is CLASSES)
    assert empty.labels.dim() == whole.labels.dim()
    assert empty.labels.eq(IGNORED).all()
    assert len(empty.input_ids) == 1


@pytest.mark.parametrize("examples", [TEXT, CLASSES])
def test_rows_padded_together_lose_what_they_lose_alone(examples: list[Example]) -> None:
    model = Tiny(classes=examples is CLASSES)
    together = summed_loss(model, collate(examples, PAD))
    alone = sum(summed_loss(model, collate([example], PAD)) for example in examples)
    torch.testing.assert_close(together, alone)

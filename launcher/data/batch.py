"""Padded tensors: one document a row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from launcher.data.encode.example import IGNORED
from launcher.data.stream.gather import Gathered


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch: ids and mask are (rows, tokens), int32; labels too, or (rows,) for classification."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    tokens: int
    """Padding left out."""
    label_tokens: int
    """Labels that the loss counts."""

    @property
    def inputs(self) -> dict[str, torch.Tensor]:
        """What a model of transformers is called with."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask}

    def pinned(self) -> "Batch":
        """The same batch in page-locked memory, from which a GPU copies while it computes."""
        ids, mask, labels = (tensor.pin_memory() for tensor in (self.input_ids, self.attention_mask, self.labels))
        return Batch(ids, mask, labels, self.tokens, self.label_tokens)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        ids, mask, labels = (
            tensor.to(device, non_blocking=True) for tensor in (self.input_ids, self.attention_mask, self.labels)
        )
        return Batch(ids, mask, labels, self.tokens, self.label_tokens)


def pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Rows padded on the right to the longest: (rows, tokens)."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def collate_rows(gathered: Gathered) -> Batch:
    """A micro-batch of packs that hold a document each."""
    filled, labels = gathered.filled, gathered.labels
    mask = np.arange(gathered.input_ids.shape[1]) < filled[:, None]
    return Batch(
        input_ids=torch.from_numpy(gathered.input_ids),
        attention_mask=torch.from_numpy(mask.astype(np.int32)),
        labels=torch.from_numpy(labels),
        tokens=int(filled.sum()),
        label_tokens=int(np.count_nonzero(labels != IGNORED)),
    )


def weightless_row(pad_id: int, *, label_per_document: bool) -> Batch:
    """A micro-batch that adds nothing to the loss, for a rank whose share is used up while others still compute."""
    ids = torch.full((1, 2), pad_id, dtype=torch.int32)
    labels = torch.full((1,) if label_per_document else (1, 2), IGNORED, dtype=torch.int32)
    return Batch(ids, torch.ones_like(ids), labels, tokens=0, label_tokens=0)

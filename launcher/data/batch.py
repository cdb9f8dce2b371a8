"""Examples to padded tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from launcher.data.encode import IGNORED, Example


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch: ids and mask are (rows, tokens); labels too, or (rows,) for classification."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor

    @property
    def inputs(self) -> dict[str, torch.Tensor]:
        """What a model of transformers is called with."""
        return {"input_ids": self.input_ids, "attention_mask": self.attention_mask}

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return Batch(
            *(tensor.to(device, non_blocking=True) for tensor in (self.input_ids, self.attention_mask, self.labels))
        )


def pad(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """Rows padded on the right to the longest: (rows, tokens)."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """A micro-batch padded to its longest row."""
    labels = [example.labels for example in examples]
    classification = len(labels[0]) == 1
    return Batch(
        input_ids=pad([example.input_ids for example in examples], pad_id),
        attention_mask=pad([[1] * len(example.input_ids) for example in examples], 0),
        labels=torch.tensor([label[0] for label in labels]) if classification else pad(labels, IGNORED),
    )


def weightless(example: Example, pad_id: int) -> Batch:
    """A micro-batch that adds nothing to the loss, for a rank whose share is used up while others still compute."""
    empty = Example(example.input_ids[:2], [IGNORED] * min(len(example.labels), 2), truncated=False)
    return collate([empty], pad_id)

"""Packs to tensors: rows that hold several documents each, with their borders."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from launcher.data.encode.example import IGNORED
from launcher.data.stream.gather import Gathered, padded


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """A micro-batch of packs, a row each: ids, positions and labels are (rows, tokens), int32.

    Positions restart at each document, and the first label of each is masked. Padding at the end of a row is a
    document of its own, without labels.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    cu_seqlens: torch.Tensor
    """Where documents begin in the rows laid end to end, and where the last one ends: (documents + 1,), int32."""
    longest: int
    """Tokens of the longest document."""
    tokens: int
    """Padding left out."""
    label_tokens: int
    """Labels that the loss counts."""

    def to(self, device: torch.device) -> "PackedBatch":
        """The same batch on a device."""
        names = ("input_ids", "position_ids", "labels", "cu_seqlens")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})

    @property
    def inputs(self) -> dict[str, torch.Tensor | int]:
        """What a causal model of transformers is called with; see `launcher/model/packing.py`.

        With a mask of padding, or with a cache, transformers would not look for restarting positions.
        """
        return {
            "input_ids": self.input_ids,
            "position_ids": self.position_ids,
            "use_cache": False,
            "cu_seq_lens_q": self.cu_seqlens,
            "cu_seq_lens_k": self.cu_seqlens,
            "max_length_q": self.longest,
            "max_length_k": self.longest,
        }


def collate_packs(gathered: Gathered, pad_id: int, multiple_of: int = 1) -> PackedBatch:
    """A micro-batch of packs with a label a token, padded to the longest pack, rounded up to a multiple.

    A multiple of a pack's capacity gives every micro-batch the same shape. Packs without a token are all padding.
    """
    filled = np.diff(gathered.packs)
    width = -(-max(int(filled.max()), 1) // multiple_of) * multiple_of
    begins = gathered.bounds[:-1][np.diff(gathered.bounds) > 0]
    assert (gathered.labels[begins] == IGNORED).all()
    positions = padded(gathered.positions, gathered.packs, 0, width)
    for row, tokens in zip(positions, filled.tolist(), strict=True):
        row[tokens:] = np.arange(width - tokens, dtype=np.int32)
    labels = padded(gathered.labels, gathered.packs, IGNORED, width)
    cu_seqlens = np.append(np.flatnonzero(positions == 0), positions.size)
    return PackedBatch(
        input_ids=torch.from_numpy(padded(gathered.input_ids, gathered.packs, pad_id, width)),
        position_ids=torch.from_numpy(positions),
        labels=torch.from_numpy(labels),
        cu_seqlens=torch.from_numpy(cu_seqlens).int(),
        longest=int(np.diff(cu_seqlens).max()),
        tokens=len(gathered.input_ids),
        label_tokens=int(np.count_nonzero(gathered.labels != IGNORED)),
    )


def weightless_pack(pad_id: int) -> PackedBatch:
    """A micro-batch that adds nothing to the loss, for a rank whose share is used up while others still compute."""
    none, one_empty = np.zeros(0, np.int32), np.zeros(2, np.int32)
    return collate_packs(Gathered(none, none, none, one_empty, one_empty), pad_id)

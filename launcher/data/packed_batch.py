"""Packs to tensors: rows that hold several documents each, with their borders."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from launcher.data.encode.example import IGNORED
from launcher.data.stream.gather import Gathered

TENSORS = ("input_ids", "position_ids", "labels", "cu_seqlens")


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

    def pinned(self) -> "PackedBatch":
        """The same batch in page-locked memory, from which a GPU copies while it computes."""
        return replace(self, **{name: getattr(self, name).pin_memory() for name in TENSORS})

    def to(self, device: torch.device) -> "PackedBatch":
        """The same batch on a device."""
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in TENSORS})

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


def collate_packs(gathered: Gathered) -> PackedBatch:
    """A micro-batch of packs with a label a token."""
    ids, labels, bounds = gathered.input_ids, gathered.labels, gathered.bounds
    assert (labels.reshape(-1)[bounds[:-1]] == IGNORED).all()
    lengths = np.diff(bounds)
    positions = np.arange(ids.size, dtype=np.int32)
    positions -= np.repeat(bounds[:-1], lengths)
    return PackedBatch(
        input_ids=torch.from_numpy(ids),
        position_ids=torch.from_numpy(positions.reshape(ids.shape)),
        labels=torch.from_numpy(labels),
        cu_seqlens=torch.from_numpy(bounds),
        longest=int(lengths.max()),
        tokens=int(gathered.filled.sum()),
        label_tokens=int(np.count_nonzero(labels != IGNORED)),
    )


def weightless_pack(pad_id: int) -> PackedBatch:
    """A micro-batch that adds nothing to the loss, for a rank whose share is used up while others still compute."""
    ids, labels, bounds, filled = (np.array(each, np.int32) for each in ([[pad_id]], [[IGNORED]], [0, 1], [0]))
    return collate_packs(Gathered(ids, labels, bounds, filled))

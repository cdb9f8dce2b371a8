"""Packs made of documents, and documents of every awkward length."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from launcher.data.batch import Batch, collate_rows
from launcher.data.encode import IGNORED, Example
from launcher.data.stream.gather import Gathered

PACKS = ((1, 2, 11, 7, 1, 16), (23,), (1,), (2, 1, 1), (5, 30))
"""Tokens of the documents in each pack: of one and two tokens, alone in a pack, and too few to fill a row."""


def gathered(packs: Sequence[Sequence[Example]]) -> Gathered:
    """Packs as the stream gives them."""
    documents = [document for pack in packs for document in pack]
    lengths = [len(document.input_ids) for document in documents]
    bounds, sizes = (np.cumsum([0, *each], dtype=np.int32) for each in (lengths, map(len, packs)))
    return Gathered(
        input_ids=np.array([token for each in documents for token in each.input_ids], np.int32),
        labels=np.array([label for each in documents for label in [IGNORED, *each.labels[1:]]], np.int32),
        positions=np.array([place for length in lengths for place in range(length)], np.int32),
        bounds=bounds,
        packs=bounds[sizes],
    )


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """A padded micro-batch of these rows."""
    rows = gathered([[example] for example in examples])
    if len(examples[0].labels) == 1:
        classes = np.array([example.labels[0] for example in examples], np.int32)
        rows = replace(rows, labels=classes, label_per_document=True)
    return collate_rows(rows, pad_id)


def documents(packs: Sequence[Sequence[int]] = PACKS, vocabulary: int = 97) -> list[list[Example]]:
    """Packs of documents with these numbers of tokens; of the longer ones the beginning is a masked prompt."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for lengths in packs:
        ids = [torch.randint(3, vocabulary, (length,), generator=generator).tolist() for length in lengths]
        made.append([Example(each, _labels(each), truncated=False) for each in ids])
    return made


def _labels(ids: list[int]) -> list[int]:
    prompt = len(ids) // 3
    return [IGNORED] * prompt + ids[prompt:]


def alone(model: nn.Module, packs: Sequence[Sequence[Example]]) -> list[torch.Tensor]:
    """Logits of each document in a batch of its own, (tokens, vocabulary) each."""
    batches = [collate([document], pad_id=0) for pack in packs for document in pack]
    return [model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits[0] for batch in batches]

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


def gathered(packs: Sequence[Sequence[Example]], pad_id: int) -> Gathered:
    """Packs as the stream gives them."""
    lengths = [[len(document.input_ids) for document in pack] for pack in packs]
    filled = [sum(each) for each in lengths]
    width = max(filled)
    pieces = [piece for each, tokens in zip(lengths, filled, strict=True) for piece in [*each, width - tokens] if piece]
    ids = [[token for document in pack for token in document.input_ids] for pack in packs]
    labels = [[label for document in pack for label in [IGNORED, *document.labels[1:]]] for pack in packs]
    return Gathered(
        input_ids=np.array([[*row, *[pad_id] * (width - len(row))] for row in ids], np.int32),
        labels=np.array([[*row, *[IGNORED] * (width - len(row))] for row in labels], np.int32),
        bounds=np.cumsum([0, *pieces], dtype=np.int32),
        filled=np.array(filled, np.int32),
    )


def collate(examples: Sequence[Example], pad_id: int) -> Batch:
    """A padded micro-batch of these rows."""
    classes = len(examples[0].labels) == 1
    texts = [replace(each, labels=each.input_ids) for each in examples] if classes else examples
    rows = gathered([[text] for text in texts], pad_id)
    if classes:
        rows = replace(rows, labels=np.array([example.labels[0] for example in examples], np.int32))
    return collate_rows(rows)


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

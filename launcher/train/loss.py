"""Cross-entropy summed over labels; the caller divides by the label count of the whole global batch."""

import torch
from torch import nn
from torch.nn import functional

from launcher.data.batch import Batch
from launcher.data.encode import IGNORED
from launcher.data.packed_batch import PackedBatch


def summed_loss(model: nn.Module, batch: Batch | PackedBatch) -> torch.Tensor:
    """Sum of the cross-entropies of a micro-batch's labels, in fp32 or better: a scalar.

    Text: logits (rows, tokens, vocabulary) at each token against the next token's label, in a pack too: the label that
    the last token of a document would foresee is the first of the next one, which is masked.
    Classification: logits (rows, classes) against (rows,) labels.
    """
    logits: torch.Tensor = model(**batch.inputs).logits
    labels = batch.labels
    if labels.dim() == 2:
        logits, labels = logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return functional.cross_entropy(logits, labels.long(), ignore_index=IGNORED, reduction="sum")

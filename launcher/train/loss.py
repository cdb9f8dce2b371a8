"""Cross-entropy summed over labels; the caller divides by the label count of the whole global batch."""

import torch
from torch import nn

from launcher.data.batch import Batch
from launcher.data.packed_batch import PackedBatch
from launcher.model.head_loss import Labelled, asking, summed_cross_entropy


def summed_loss(model: nn.Module, batch: Batch | PackedBatch) -> torch.Tensor:
    """Sum of the cross-entropies of a micro-batch's labels, in fp32 or better: a scalar.

    Text: at each token against the next token's label, in a pack too: the label that the last token of a document
    would foresee is the first of the next one, which is masked. A head that can gives the sum itself.
    Classification: logits (rows, classes) against (rows,) labels.
    """
    labels = batch.labels
    if labels.dim() == 1:
        logits: torch.Tensor = model(**batch.inputs).logits
        return summed_cross_entropy(logits, labels)
    with asking(Labelled.of(labels, batch.label_tokens)):
        found: torch.Tensor = model(**batch.inputs).logits
    if found.dim() == 0:
        return found
    return summed_cross_entropy(found[:, :-1].flatten(0, 1), labels[:, 1:].flatten())

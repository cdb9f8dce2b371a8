"""Batch arithmetic: how rows become micro-batches, optimiser steps and epochs at a world size."""

import math
from dataclasses import dataclass
from fractions import Fraction

from launcher.recipe.training import Training


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A row is what goes through the model as one: a document, or a pack of several."""

    world: int
    micro_batch: int
    """Rows a forward pass on one rank, at the most."""
    accumulation: int
    """Micro-batches a step on one rank, at the most."""
    global_batch: int
    """Rows a step over all ranks."""
    documents: int | None
    """Training documents there are; None where nobody knows."""
    rows: int | None
    """Rows of an epoch: documents, or about as many packs; None where they cannot be counted yet."""
    max_steps: int | None
    """Optimiser steps, where the run ends with them."""
    max_epochs: float | None
    """Passes over the documents, where the run ends with them."""

    @property
    def documents_consumed(self) -> int | None:
        """Documents the run reads, counting each epoch's."""
        if self.documents is None:
            return None
        if self.max_epochs is not None:
            # As written in decimals: 1.1 x 10 rows are 11, where floats would round up to 12
            return math.ceil(Fraction(str(self.max_epochs)) * self.documents)
        if self.rows is None or self.max_steps is None:
            return None
        return round(self.max_steps * self.global_batch * self.documents / self.rows)

    @property
    def expected_steps(self) -> float | None:
        """Steps the run takes; of packs about as many, as only packing them shows. The last step may be a part."""
        if self.max_steps is not None:
            return self.max_steps
        consumed = self.documents_consumed
        if self.rows is None or self.documents is None or consumed is None:
            return None
        return consumed * self.rows / (self.documents * self.global_batch)

    @property
    def steps(self) -> int | None:
        """Optimiser steps that are expected."""
        return None if self.expected_steps is None else math.ceil(self.expected_steps)

    @property
    def epochs(self) -> float | None:
        """Passes over the documents."""
        consumed = self.documents_consumed
        return None if consumed is None or self.documents is None else consumed / self.documents


def plan_batches(training: Training, *, world: int, documents: int | None, tokens: int | None = None) -> BatchPlan:
    """Work out the steps of a run on `world` ranks.

    A given global batch holds at any world size, and accumulation follows from it. Otherwise the global batch is
    micro-batch x accumulation x ranks, as in Hugging Face's Trainer.

    Args:
        tokens: Of all documents, by which packs are counted; None where they are not known yet.
    """
    micro = training.micro_batch
    if training.global_batch_size is not None:
        global_batch = training.global_batch_size
    else:
        global_batch = micro * (training.gradient_accumulation_steps or 1) * world
    share = math.ceil(global_batch / world)
    packed_rows = None if tokens is None else math.ceil(tokens / training.max_length)
    return BatchPlan(
        world=world,
        micro_batch=min(micro, share),
        accumulation=math.ceil(share / micro),
        global_batch=global_batch,
        documents=documents,
        rows=packed_rows if training.packing else documents,
        max_steps=training.max_steps,
        max_epochs=None if training.max_steps is not None else training.num_train_epochs or 1,
    )

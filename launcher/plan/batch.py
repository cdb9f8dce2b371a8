"""Batch arithmetic: how rows become micro-batches, optimiser steps and epochs at a world size."""

import math
from dataclasses import dataclass
from fractions import Fraction

from launcher.recipe.training import Training


@dataclass(frozen=True, slots=True)
class BatchPlan:
    world: int
    micro_batch: int
    """Rows a forward pass on one rank, at the most."""
    accumulation: int
    """Micro-batches a step on one rank, at the most."""
    global_batch: int
    """Rows a step over all ranks."""
    rows: int
    """Training rows there are."""
    rows_consumed: int
    """Rows the run reads, counting each epoch's."""
    steps: int
    """Optimiser steps."""

    @property
    def epochs(self) -> float:
        """Passes over the training rows."""
        return self.rows_consumed / self.rows


def plan_batches(training: Training, *, world: int, rows: int) -> BatchPlan:
    """Work out the steps of a run over `rows` training rows on `world` ranks.

    A given global batch holds at any world size, and accumulation follows from it. Otherwise the global batch is
    micro-batch x accumulation x ranks, as in Hugging Face's Trainer.
    """
    micro = training.per_device_train_batch_size
    if training.global_batch_size is not None:
        global_batch = training.global_batch_size
    else:
        global_batch = micro * (training.gradient_accumulation_steps or 1) * world
    share = math.ceil(global_batch / world)
    if training.max_steps is not None:
        consumed = training.max_steps * global_batch
    else:
        # As written in decimals: 1.1 x 10 rows are 11, where floats would round up to 12
        consumed = math.ceil(Fraction(str(training.num_train_epochs or 1)) * rows)
    return BatchPlan(
        world=world,
        micro_batch=min(micro, share),
        accumulation=math.ceil(share / micro),
        global_batch=global_batch,
        rows=rows,
        rows_consumed=consumed,
        steps=math.ceil(consumed / global_batch),
    )

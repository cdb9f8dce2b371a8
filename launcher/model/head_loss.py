"""A language model's head that gives the loss in place of logits, which for a large vocabulary are most of a step's
memory: 6.3 GB for 4,096 tokens of Llama 3.

Tokens without a label are left out before the head. What is left goes through it in pieces, each computed again for
its gradient (https://arxiv.org/abs/1604.06174), so that logits are never there as a whole. Inside the model's forward
pass, as DDP and ZeRO look after a module's weights there and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from launcher.data.encode.example import IGNORED
from launcher.model import heads
from launcher.model.adapt import TrainableModel
from launcher.model.heads import PLAIN_HEADS


@dataclass(frozen=True, slots=True)
class Labelled:
    """Tokens that have a next one to foresee, of rows laid end to end; both (tokens,)."""

    places: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def of(cls, labels: torch.Tensor, count: int) -> "Labelled":
        """Found without asking the device, by their number.

        Args:
            labels: (rows, tokens), of each token itself.
            count: Labels in all; what is asked for beyond those that there are has none, and adds nothing.
        """
        following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()
        places = torch.argsort(following == IGNORED, stable=True)[: max(count, 1)]
        return cls(places, following[places].long())


_asked: ContextVar[Labelled | None] = ContextVar("asked", default=None)


def loss_in_head(model: TrainableModel) -> bool:
    """Let a model's head give the loss where it is asked for; returns whether it can.

    A head that is adapted or quantised gives logits as before, and a classifier has none. Other families of models
    scale or cap what comes out of their heads.
    """
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or model.config.model_type not in PLAIN_HEADS:
        return False
    head.forward = partial(_forward, head)  # type: ignore[method-assign]
    return True


@contextmanager
def asking(labelled: Labelled) -> Iterator[None]:
    """While this lasts, a head that can gives the summed cross-entropy of these tokens, a scalar in fp32 or better."""
    token = _asked.set(labelled)
    try:
        yield
    finally:
        _asked.reset(token)


def _forward(head: nn.Linear, hidden: torch.Tensor) -> torch.Tensor:
    asked = _asked.get()
    if asked is None:
        return functional.linear(hidden, head.weight, head.bias)
    rows = hidden.flatten(0, 1).index_select(0, asked.places)
    at_once = max(heads.LOGITS_AT_ONCE // head.out_features, 1)
    if len(rows) <= at_once:
        return _piece(head, rows, asked.labels)
    pieces = zip(torch.split(rows, at_once), torch.split(asked.labels, at_once), strict=True)
    # Nothing random is in a piece, and to keep the state of random numbers would stop a device for each
    losses = [checkpoint(_piece, head, *each, use_reentrant=False, preserve_rng_state=False) for each in pieces]
    return torch.stack(losses).sum()


def _piece(head: nn.Linear, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return summed_cross_entropy(functional.linear(rows, head.weight, head.bias), labels)


def summed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (labels, classes) against labels, of which IGNORED ones add nothing; summed in fp32 or better."""
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return functional.cross_entropy(logits, labels.long(), ignore_index=IGNORED, reduction="sum")

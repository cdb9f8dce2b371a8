"""A language model's head that gives the loss in place of logits, which for a large vocabulary are most of a step's
memory: 6.3 GB for 4,096 tokens of Llama 3.

Tokens without a label are left out before the head. Of many, what is left goes through it in pieces, so that logits
are never there as a whole. Inside the model's forward pass, as DDP and ZeRO look after a module's weights there and
nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from launcher.data.encode.example import IGNORED
from launcher.model import heads
from launcher.model.adapt import TrainableModel
from launcher.model.heads import PLAIN_HEADS
from launcher.model.loss_in_pieces import loss_in_pieces


@dataclass(frozen=True, slots=True)
class Labelled:
    """Tokens that have a next one to foresee, of rows laid end to end; both (tokens,)."""

    places: torch.Tensor
    labels: torch.Tensor
    each: bool = False
    """Whether the loss of each of them is asked for instead of the sum."""

    @classmethod
    def of(cls, labels: torch.Tensor, count: int, *, each: bool = False) -> "Labelled":
        """Found without asking the device, by their number; in the order of the rows.

        Args:
            labels: (rows, tokens), of each token itself.
            count: Labels in all; what is asked for beyond those that there are has none, and adds nothing.
            each: Ask for the loss of each label.
        """
        following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()
        places = torch.argsort(following == IGNORED, stable=True)[: max(count, 1)]
        return cls(places, following[places].long(), each)


_asked: ContextVar[Labelled | None] = ContextVar("asked", default=None)


def loss_in_head(model: TrainableModel) -> bool:
    """Let a model's head give the loss where it is asked for; returns whether it can.

    A head that is adapted, quantised or biased gives logits as before, and a classifier has none. Other families of
    models scale or cap what comes out of their heads.
    """
    head = model.get_output_embeddings()
    if type(head) is not nn.Linear or head.bias is not None or model.config.model_type not in PLAIN_HEADS:
        return False
    head.forward = partial(_forward, head)
    return True


@contextmanager
def asking(labelled: Labelled) -> Iterator[None]:
    """While this lasts, a head that can gives the cross-entropy of these tokens in fp32 or better: summed, a scalar, or
    that of each, (tokens,), through which no gradient goes back.
    """
    token = _asked.set(labelled)
    try:
        yield
    finally:
        _asked.reset(token)


def _forward(head: nn.Linear, hidden: torch.Tensor) -> torch.Tensor:
    asked = _asked.get()
    if asked is None:
        return functional.linear(hidden, head.weight)
    rows = hidden.flatten(0, 1).index_select(0, asked.places)
    at_once = max(heads.LOGITS_AT_ONCE // head.out_features, 1)
    if asked.each:
        return _of_each(rows, head.weight, asked.labels, at_once)
    if len(rows) <= at_once:
        return summed_cross_entropy(functional.linear(rows, head.weight), asked.labels)
    return loss_in_pieces(rows, head.weight, asked.labels, at_once)


@torch.no_grad()
def _of_each(rows: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, at_once: int) -> torch.Tensor:
    pieces = zip(torch.split(rows, at_once), torch.split(labels, at_once), strict=True)
    return torch.cat([_cross_entropy(functional.linear(piece, weight), of_piece, "none") for piece, of_piece in pieces])


def summed_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Logits (labels, classes) against labels, of which IGNORED ones add nothing; summed in fp32 or better."""
    return _cross_entropy(logits, labels, "sum")


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor, reduction: str) -> torch.Tensor:
    if logits.dtype in (torch.bfloat16, torch.float16):
        logits = logits.float()
    return functional.cross_entropy(logits, labels.long(), ignore_index=IGNORED, reduction=reduction)

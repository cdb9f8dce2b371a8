"""Causal attention inside documents that are laid end to end: by PyTorch's kernel on a GPU, one by one on a CPU."""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch.nn import functional
from torch.nn.attention.varlen import varlen_attn

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, "Documents"], torch.Tensor]
"""Query, key and value to what is attended, all (tokens, heads, width); keys and values may have fewer heads."""


class Documents(NamedTuple):
    borders: torch.Tensor
    """Where each begins, and where the last one ends: (documents + 1,), int32."""
    longest: int
    """Tokens of the longest."""
    scale: float | None
    """What products of queries and keys are multiplied with; by default width ** -0.5."""
    window: int | None
    """Tokens that one reads, itself among them; None for all before it."""


def attend_on_gpu(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, documents: Documents) -> torch.Tensor:
    """FlashAttention 2: half precision alone."""
    borders, longest, scale, window = documents
    left = -1 if window is None else window - 1
    attended = varlen_attn(
        *(query, key, value, borders, borders, longest, longest),
        scale=scale,
        window_size=(left, 0),
        enable_gqa=True,
    )
    assert isinstance(attended, torch.Tensor)
    return attended


def attend_on_cpu(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, documents: Documents) -> torch.Tensor:
    """No kernel knows borders there, but a document after another needs no mask either."""
    lengths = [end - start for start, end in pairwise(documents.borders.tolist())]
    attended = []
    for parts in zip(*(torch.split(each, lengths) for each in (query, key, value)), strict=True):
        one, other, third = (part.transpose(0, 1)[None] for part in parts)
        mask = _window(len(parts[0]), documents.window)
        found = functional.scaled_dot_product_attention(
            one, other, third, mask, is_causal=mask is None, scale=documents.scale, enable_gqa=True
        )
        attended.append(found[0].transpose(0, 1))
    return torch.cat(attended)


def _window(tokens: int, window: int | None) -> torch.Tensor | None:
    """What each token of a document reads, (tokens, tokens), or None where it is all before it."""
    if window is None or window >= tokens:
        return None
    places = torch.arange(tokens)
    past = places[:, None] - places
    return (past >= 0) & (past < window)


KERNELS: dict[str, Attend] = {"cuda": attend_on_gpu, "cpu": attend_on_cpu}
"""By the type of device."""

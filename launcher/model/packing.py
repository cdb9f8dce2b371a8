"""Attention inside the documents of a pack.

Without anything done here it is right: transformers finds where positions restart and masks attention to blocks,
which costs the square of the row's length. On a GPU PyTorch's own variable-length kernel leaves the rest out; on a CPU,
which has none, documents are attended to one after another.
"""

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PretrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from launcher.model.adapt import TrainableModel
from launcher.model.document_attention import KERNELS, Documents

VARLEN = "varlen"
"""The name of attention inside documents among transformers' implementations."""


def use_varlen(model: TrainableModel, device: torch.device, compute: torch.dtype) -> bool:
    """Let a model attend without a mask where the device can; returns whether it does.

    Padded batches go on through scaled dot-product attention.

    Args:
        device: Where it trains; offloaded weights are elsewhere.
        compute: Type of forward and backward.
    """
    if not has_varlen(model.config, device, compute):
        return False
    register_varlen()
    model.set_attn_implementation(VARLEN)
    return True


def has_varlen(config: PretrainedConfig, device: torch.device, compute: torch.dtype) -> bool:
    """Whether a device computes a model's attention without a mask, which wants no dropout.

    A GPU's kernel, FlashAttention 2, wants half precision too.
    """
    if getattr(config, "attention_dropout", 0.0):
        return False
    if device.type == "cpu":
        return True
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return (
        device.type == "cuda"
        and torch.cuda.get_device_capability(device) >= (8, 0)
        and compute in (torch.bfloat16, torch.float16)
        and head % 8 == 0
        and head <= 256
    )


def register_varlen() -> None:
    """Make attention inside documents known to transformers."""
    AttentionInterface.register(VARLEN, varlen_attention)
    AttentionMaskInterface.register(VARLEN, varlen_mask)


def varlen_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int = 0,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside documents: query (rows, heads, tokens, width) to (rows, tokens, heads, width).

    Keys and values may have fewer heads. Without `cu_seq_lens_q` the batch is a padded one.
    """
    if cu_seq_lens_q is None:
        assert attention_mask is None or attention_mask.numel(), "positions restart, and no borders are given"
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
    # Autocast knows nothing of a GPU's kernel, and leaves queries and keys in fp32 where cosines were
    device = query.device.type
    compute = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
    rows, _, tokens, _ = query.shape
    queries, keys, values = (each.transpose(1, 2).flatten(0, 1).to(compute) for each in (query, key, value))
    documents = Documents(cu_seq_lens_q, max_length_q, scaling, sliding_window)
    attended = KERNELS[device](queries, keys, values, documents)
    return attended.view(rows, tokens, *attended.shape[1:]), None


def varlen_mask(
    *, attention_mask: torch.Tensor | None = None, allow_is_causal_skip: bool = True, **options: Any
) -> torch.Tensor | None:
    """The mask of a padded batch: (rows, 1, tokens, tokens), or None for a causal one.

    A packed one needs none, and gets an empty one, so that borders that were forgotten are noticed.
    """
    restarting = attention_mask is None and not allow_is_causal_skip
    if restarting:
        return torch.empty(0, dtype=torch.bool)
    return sdpa_mask(attention_mask=attention_mask, allow_is_causal_skip=allow_is_causal_skip, **options)

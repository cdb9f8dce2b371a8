"""A model that computes in fp32 with the weights that it has, whatever the run computed in.

Rounding of 16-bit arithmetic would hide what a merge changes. Weights in 4 bits stay so, and are unpacked to fp32 for
each product.
"""

from typing import Any

import torch
from bitsandbytes.nn.modules import Int8Params, Linear4bit, Params4bit
from torch import nn
from transformers import PreTrainedModel

PROBES, LONGEST = 4, 32
"""Texts that a model is asked about, and their tokens at the most."""


def compute_in_fp32(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, Linear4bit):
            weight: Any = module.weight
            module.compute_dtype = weight.quant_state.dtype = torch.float32
    for parameter in model.parameters():
        if not isinstance(parameter, Params4bit | Int8Params):
            parameter.data = parameter.data.float()


def dequantised(base: PreTrainedModel) -> PreTrainedModel:
    """A base without few-bit weights: the numbers that they stand for, in fp32."""
    compute_in_fp32(base)
    if getattr(base, "hf_quantizer", None) is None:
        return base
    # Told the type: by default it rounds to the one that the base was loaded in
    return base.dequantize(torch.float32)  # type: ignore[no-any-return, no-untyped-call]


@torch.no_grad()
def probe(model: nn.Module) -> torch.Tensor:
    """Logits in fp32 of a few texts of random tokens, the same for every model of one vocabulary; on the CPU.

    Returns:
        (texts, tokens, vocabulary), or (texts, labels) of a head.
    """
    compute_in_fp32(model)
    model.eval()
    config: Any = model.config
    length = min(LONGEST, getattr(config, "max_position_embeddings", LONGEST))
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(config.vocab_size, (PROBES, length), generator=generator)
    logits: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits

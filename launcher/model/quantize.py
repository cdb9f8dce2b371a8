"""Frozen weights in 4 or 8 bits, as bitsandbytes stores them."""

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from launcher.recipe.quantization import Quantization

HEADS = ["lm_head", "score", "classifier"]
"""Output layers by their names in transformers; they stay out of quantisation."""


def quantization_config(asked: Quantization, compute: torch.dtype) -> BitsAndBytesConfig:
    """What transformers is to quantise by; `compute` is the type of forward and backward where none is asked for."""
    if asked.type == "int8":
        threshold = 6.0 if asked.outlier_threshold is None else asked.outlier_threshold
        return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_8bit=True, llm_int8_threshold=threshold, llm_int8_skip_modules=HEADS
        )
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type=asked.type,
        bnb_4bit_use_double_quant=asked.double_quantization is not False,
        bnb_4bit_compute_dtype=getattr(torch, asked.compute_dtype) if asked.compute_dtype is not None else compute,
        bnb_4bit_quant_storage=asked.storage_dtype or "uint8",
        llm_int8_skip_modules=HEADS,
    )


def keep_trainable(model: nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights on a CPU with AVX512-BF16 at the first scoring.

    The packed form serves inference alone, in bf16, and refuses outputs that 32 does not divide. 8-bit weights have
    no such form.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False

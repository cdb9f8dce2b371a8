"""Bytes of matrices in 4 and 8 bits, as bitsandbytes stores them."""

from launcher.recipe.quantization import Quantization

BLOCK, NESTED_BLOCK = 64, 256
CODE, NESTED_CODE, OFFSET = 16 * 4, 256 * 4, 4
"""Tables of each matrix: what 4-bit codes mean, what 8-bit constants mean, and the constants' mean."""


def packed_bytes(elements: int, quantization: Quantization) -> int:
    """Bytes of the weights by themselves."""
    return elements if quantization.type == "int8" else -(-elements // 2)


def constant_bytes(shape: tuple[int, ...], quantization: Quantization) -> int:
    """Bytes of the constants of one matrix (outputs, inputs).

    4 bits: a scale for each block of 64 weights, in fp32 or, quantised twice, in 8 bits with one in fp32 for 256
    (QLoRA, https://arxiv.org/abs/2305.14314, section 3: 0.5 and 0.127 bits a weight). 8 bits: an fp32 scale for each
    output (LLM.int8(), https://arxiv.org/abs/2208.07339, section 2.2).
    """
    outputs, inputs = shape
    if quantization.type == "int8":
        return 4 * outputs
    blocks = -(-outputs * inputs // BLOCK)
    if quantization.double_quantization is False:
        return 4 * blocks + CODE
    return blocks + 4 * -(-blocks // NESTED_BLOCK) + CODE + NESTED_CODE + OFFSET

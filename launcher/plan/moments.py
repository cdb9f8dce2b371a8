"""What each optimiser remembers of a weight, and needs while it steps."""

from launcher.plan.parameters import Part

SMALLEST_8BIT = 4096
"""bitsandbytes keeps fp32 states of smaller tensors (`min_8bit_size`)."""
BLOCK = 256


def moment_bytes(optim: str, part: Part) -> int:
    """Bytes that an optimiser remembers of a trained part.

    AdamW: two fp32 moments (https://arxiv.org/abs/1711.05101). Adafactor: a row and a column of each matrix
    (https://arxiv.org/abs/1804.04235). 8-bit AdamW: two codes a weight and an fp32 scale for each block of 256, but of
    embeddings and small tensors fp32 (https://arxiv.org/abs/2110.02861). SGD without momentum: nothing.
    """
    if optim == "sgd":
        return 0
    if optim == "adafactor":
        return 4 * part.copies * (sum(part.shape) if len(part.shape) == 2 else part.elements)
    if "8bit" in optim and part.elements >= SMALLEST_8BIT and part.kind != "embedding":
        return 2 * part.copies * (part.elements + 4 * -(-part.elements // BLOCK))
    return 8 * part.size


def temporary_bytes(optim: str, elements: int, largest: int) -> int:
    """Bytes that a step makes and frees.

    Args:
        elements: That are stepped together.
        largest: Elements of the largest tensor.
    """
    return {
        "adamw_torch": 4 * elements,  # foreach: the denominators of all weights at a time
        "adafactor": 8 * largest,  # the squared gradient and the update of one matrix
    }.get(optim, 0)

"""Floating-point operations of training, and what devices can do at the most."""

from typing import Any

from launcher.plan.accelerators import known_device
from launcher.plan.parameters import ParameterCount
from launcher.recipe.method import Full, Method


def flops_per_token(config: dict[str, Any], count: ParameterCount, method: Method, tokens: float) -> float:
    """Operations of forward and backward for one token in rows of `tokens` tokens.

    6 a weight, and 12 x layers x width x tokens for attention (PaLM, https://arxiv.org/abs/2204.02311, appendix B).
    Frozen weights need no gradients of their own: 4 a weight.
    """
    weights = 6 if isinstance(method, Full) else 4
    attention = 12 * config["num_hidden_layers"] * config["hidden_size"] * tokens
    return float(weights * count.matrices + attention)


def peak_flops(device_name: str) -> float | None:
    """Peak bf16 operations a second, or None for a device that the table does not know."""
    found = known_device(device_name)
    return None if found is None else found.peak

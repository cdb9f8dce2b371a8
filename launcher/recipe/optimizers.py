"""`training.optim:` the optimisers, under transformers' names, and where each of them may run."""

import re
from typing import Literal, NamedTuple

OptimizerName = Literal[
    "adamw_torch_fused",
    "adamw_torch",
    "adamw_bnb_8bit",
    "paged_adamw_8bit",
    "paged_adamw_32bit",
    "adafactor",
    "sgd",
]

BITSANDBYTES = ("adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit")


class _Rule(NamedTuple):
    """Refuses its optimisers on its devices, at strategies whose key has a match of `strategy` in it."""

    reason: str
    optimizers: tuple[str, ...]
    devices: tuple[str, ...] = ("cpu", "cuda")
    strategy: str = ""


_RULES = (
    _Rule("bitsandbytes keeps its states on a GPU; on CPU use adamw_torch_fused", BITSANDBYTES, devices=("cpu",)),
    _Rule(
        "bitsandbytes keeps its states on the GPU, and offload_optimizer keeps them in host memory; "
        "use adamw_torch_fused, or offload_optimizer: false",
        BITSANDBYTES,
        strategy=r"\+optimizer",
    ),
    _Rule(
        "it factors whole matrices, and ZeRO hands it flat parts of them; use strategy.kind ddp, or adamw_torch_fused",
        ("adafactor",),
        strategy="zero[123]",
    ),
    _Rule(
        "its states are quantised in blocks of 256, which ZeRO lays across parameters, so that no other number of GPUs "
        "could resume them; use strategy.kind ddp, or paged_adamw_32bit",
        ("adamw_bnb_8bit", "paged_adamw_8bit"),
        strategy="zero[123]",
    ),
)


def optimizer_refusal(optim: str, device: str, strategy: str) -> str | None:
    """Why an optimiser cannot run, with the mend; None where it can.

    Args:
        device: `cpu` or `cuda`.
        strategy: The strategy's key in the table of what is possible, such as `zero2+optimizer`.
    """
    for rule in _RULES:
        if optim in rule.optimizers and device in rule.devices and re.search(rule.strategy, strategy):
            return f"{optim} + {strategy} is refused: {rule.reason}"
    return None

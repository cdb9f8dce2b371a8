"""What is possible: one table keyed by (method, strategy, precision, task, device)."""

from itertools import product
from typing import NamedTuple

METHODS = ("full", "lora", "qlora", "qlora-int8")
OFFLOADS = ("", "+optimizer", "+param", "+optimizer+param")
STRATEGIES = ("ddp", *(f"zero{stage}{offload}" for stage in range(4) for offload in OFFLOADS))
PRECISIONS = ("fp32", "bf16", "fp16")
TASKS = ("instruction", "classification", "chat", "text")
DEVICES = ("cpu", "cuda")


class Key(NamedTuple):
    method: str
    strategy: str
    precision: str
    task: str
    device: str


class Rule(NamedTuple):
    """Refuses every combination of its members."""

    reason: str
    """The cause and its mend."""
    methods: tuple[str, ...] = METHODS
    strategies: tuple[str, ...] = STRATEGIES
    precisions: tuple[str, ...] = PRECISIONS
    tasks: tuple[str, ...] = TASKS
    devices: tuple[str, ...] = DEVICES

    def refuses(self, key: Key) -> bool:
        members = (self.methods, self.strategies, self.precisions, self.tasks, self.devices)
        return all(part in allowed for part, allowed in zip(key, members, strict=True))


RULES = (
    Rule(
        "stage 0 shares no optimiser states, so there are none to offload; use zero_stage 1, 2 or 3",
        strategies=tuple(f"zero0{offload}" for offload in OFFLOADS[1:]),
    ),
    Rule(
        "parameters are offloaded where they are partitioned, at stage 3; use zero_stage 3, or offload_param: false",
        strategies=tuple(f"zero{stage}{offload}" for stage in (1, 2) for offload in OFFLOADS[2:]),
    ),
    Rule(
        "bitsandbytes holds on to int8 weights, which partitioning would free; use zero_stage 2, or nf4",
        methods=("qlora-int8",),
        strategies=tuple(f"zero3{offload}" for offload in OFFLOADS),
    ),
)
"""What a device of its kind may not be able to, such as fp16, is asked of the machine: see `cluster/machine.py`."""

POSSIBLE: dict[Key, str | None] = {
    key: next((rule.reason for rule in RULES if rule.refuses(key)), None)
    for key in (Key(*parts) for parts in product(METHODS, STRATEGIES, PRECISIONS, TASKS, DEVICES))
}
"""None where a combination is possible, else why it is not."""


def refusal(key: Key) -> str | None:
    """Why a combination is refused, with its mend; None where it is possible.

    Raises:
        KeyError: a name that the table does not have.
    """
    return POSSIBLE[key]

"""What is possible: one table keyed by (method, strategy, task, device)."""

from itertools import product
from typing import NamedTuple

METHODS = ("full", "lora", "qlora")
STRATEGIES = ("ddp", "zero0", "zero1", "zero2", "zero3")
TASKS = ("instruction", "classification")
DEVICES = ("cpu", "cuda")


class Key(NamedTuple):
    method: str
    strategy: str
    task: str
    device: str


class Rule(NamedTuple):
    """Refuses every combination of its members."""

    reason: str
    """The cause and its mend."""
    methods: tuple[str, ...] = METHODS
    strategies: tuple[str, ...] = STRATEGIES
    tasks: tuple[str, ...] = TASKS
    devices: tuple[str, ...] = DEVICES

    def refuses(self, key: Key) -> bool:
        members = (self.methods, self.strategies, self.tasks, self.devices)
        return all(part in allowed for part, allowed in zip(key, members, strict=True))


RULES = (
    Rule(
        "DeepSpeed 0.19's bf16 stage 0 takes a dummy optimiser step when it is made; "
        "use strategy.kind ddp, the same arithmetic",
        strategies=("zero0",),
    ),
    Rule(
        "weights are partitioned, and evaluation and export of partitioned weights are not built; use zero_stage 2",
        strategies=("zero3",),
    ),
)

POSSIBLE: dict[Key, str | None] = {
    key: next((rule.reason for rule in RULES if rule.refuses(key)), None)
    for key in (Key(*parts) for parts in product(METHODS, STRATEGIES, TASKS, DEVICES))
}
"""None where a combination is possible, else why it is not."""


def refusal(method: str, strategy: str, task: str, device: str) -> str | None:
    """Why a combination is refused, with its mend; None where it is possible.

    Raises:
        KeyError: a name that the table does not have.
    """
    return POSSIBLE[Key(method, strategy, task, device)]

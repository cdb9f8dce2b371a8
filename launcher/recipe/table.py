"""What is possible: one table keyed by (method, strategy, precision, task, device, mode)."""

from collections.abc import Iterator
from itertools import product, starmap
from typing import NamedTuple, get_args

from launcher.recipe.training import Mode

METHODS = ("full", "lora", "qlora", "qlora-int8")
OFFLOADS = ("", "+optimizer", "+param", "+optimizer+param")
STRATEGIES = ("ddp", *(f"zero{stage}{offload}" for stage in range(4) for offload in OFFLOADS))
PRECISIONS = ("fp32", "bf16", "fp16")
TASKS = ("instruction", "classification", "chat", "text")
DEVICES = ("cpu", "cuda")
MODES: tuple[Mode, ...] = get_args(Mode)


class Key(NamedTuple):
    method: str
    strategy: str
    precision: str
    task: str
    device: str
    mode: Mode = "padded"


class Rule(NamedTuple):
    """Refuses every combination of its members."""

    reason: str
    """The cause and its mend."""
    methods: tuple[str, ...] = METHODS
    strategies: tuple[str, ...] = STRATEGIES
    precisions: tuple[str, ...] = PRECISIONS
    tasks: tuple[str, ...] = TASKS
    devices: tuple[str, ...] = DEVICES
    modes: tuple[Mode, ...] = MODES

    def refused(self) -> Iterator[Key]:
        members = (self.methods, self.strategies, self.precisions, self.tasks, self.devices, self.modes)
        return starmap(Key, product(*members))


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
    Rule(
        "a classifier answers once a row, and a pack is a row of many documents; say training.packing: false",
        tasks=("classification",),
        modes=("packed",),
    ),
)
"""What a device of its kind may not be able to, such as fp16, is asked of the machine: see `cluster/machine.py`."""

POSSIBLE: dict[Key, str | None] = {
    **dict.fromkeys(starmap(Key, product(METHODS, STRATEGIES, PRECISIONS, TASKS, DEVICES, MODES))),
    **{key: rule.reason for rule in reversed(RULES) for key in rule.refused()},
}
"""None where a combination is possible, else why it is not: the first rule's reason."""


def refusal(key: Key) -> str | None:
    """Why a combination is refused, with its mend; None where it is possible.

    Raises:
        KeyError: a name that the table does not have.
    """
    return POSSIBLE[key]

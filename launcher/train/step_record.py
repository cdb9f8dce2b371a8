"""One optimiser step as the log and the terminal show it; processes that have no use for torch read it too."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepRecord:
    step: int
    """Counted from 1."""
    loss: float
    """Mean cross-entropy of the step's labels, in nats, over all ranks."""
    learning_rate: float
    grad_norm: float
    tokens: int
    """Tokens of the step over all ranks, without padding."""
    tokens_per_second: float
    """Over all ranks."""
    mfu: float | None
    """Share of the devices' peak operations a second, where that is known."""
    memory_gib: float
    """Largest amount this rank has held: of the GPU where there is one, else of the host."""
    seconds_left: float

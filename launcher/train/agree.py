"""What all ranks must know alike, summed in one small all-reduce a step over a CPU group."""

from dataclasses import astuple, dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Tally:
    """One rank's numbers when it is proposed, all ranks' sums when it is collected."""

    label_tokens: float
    """Labels that the step to come counts in its loss."""
    tokens: float
    """Tokens of the step to come, without padding."""
    loss: float
    """Summed cross-entropy of the latest step that has ended."""
    busy: float = 0.0
    """Ranks whose last snapshot is on its way."""
    wishes: float = 0.0
    """Ranks that by their clock would save; one of them decides."""
    called: float = 0.0
    """Ranks that have heard of an interruption; one of them hears for all."""


class Agreement:
    """Tallies issued a step ahead, so that neither host nor device waits for the network."""

    def __init__(self) -> None:
        self._group = distributed.new_group(backend="gloo")
        self._pending: tuple[torch.Tensor, distributed.Work] | None = None

    def propose(self, tally: Tally) -> None:
        """Start summing; collect before the next proposal."""
        assert self._pending is None
        values = torch.tensor(astuple(tally), dtype=torch.float64)
        work = distributed.all_reduce(values, group=self._group, async_op=True)
        assert work is not None
        self._pending = values, work

    def sum(self, values: list[float]) -> list[float]:
        """The sums over all ranks, waited for."""
        summed = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(summed, group=self._group)
        found: list[float] = summed.tolist()
        return found

    def collect(self) -> Tally:
        """The sums over all ranks of what was proposed last."""
        assert self._pending is not None
        values, work = self._pending
        work.wait()
        self._pending = None
        return Tally(*values.tolist())

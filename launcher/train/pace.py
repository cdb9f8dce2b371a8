"""How long each rank computes, and which ones take longer than their peers.

What is measured is the forward pass of the model: under DDP and ZeRO 0 to 2 no rank waits for another in it, which
cannot be said of the backward pass, where gradients are reduced meanwhile. Under ZeRO 3 forward passes gather weights,
so every rank takes as long as the slowest, and none is named. It is counted a token of the batch, padding included, as
ranks may have different numbers of rows.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import nn

STEPS = 50
"""Steps between two words of a rank, at the least."""
SECONDS = 5.0
"""Likewise in seconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a rank computed of late."""

    rank: int
    host: str
    step: int
    token_s: float
    """Seconds of forward pass a token; the median over the steps since the last word."""


@dataclass(frozen=True, slots=True)
class Slow:
    """A rank that takes longer than its peers, by a factor."""

    pace: Pace
    factor: float


def slow_ranks(paces: Mapping[int, Pace], factor: float) -> list[Slow]:
    """Ranks whose token takes at least `factor` times the median of all the others'."""
    found = []
    for rank, pace in sorted(paces.items()):
        others = [each.token_s for number, each in paces.items() if number != rank]
        if others and (times := pace.token_s / max(median(others), 1e-12)) >= factor:
            found.append(Slow(pace, times))
    return found


class PaceMeter:
    """Takes the time of forward passes of a model that trains, on the device where it runs, and waits for nothing."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._tokens = 0
        self._passes: list[tuple[Any, Any]] = []
        self._begun: Any = None
        self._steps: list[tuple[int, list[tuple[Any, Any]]]] = []
        self._handles = [
            model.register_forward_pre_hook(self._begin, with_kwargs=True),
            model.register_forward_hook(self._end),
        ]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    def step(self) -> None:
        """All passes since the last call were one step's."""
        if self._tokens:
            self._steps.append((self._tokens, self._passes))
        self._tokens, self._passes = 0, []

    def take(self) -> float | None:
        """Seconds of forward pass a token, the median over the steps since the last call; None without any."""
        taken = [_seconds(passes) / tokens for tokens, passes in self._steps if _done(passes)]
        self._steps.clear()
        return median(taken) if taken else None

    def _begin(self, model: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if model.training and "input_ids" in named:
            self._tokens += named["input_ids"].numel()
            self._begun = self._now()

    def _end(self, model: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if self._begun is not None:
            self._passes.append((self._begun, self._now()))
            self._begun = None

    def _now(self) -> Any:
        """A moment of the device, which it may not have reached yet."""
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


def _done(passes: list[tuple[Any, Any]]) -> bool:
    return all(isinstance(end, float) or end.query() for _, end in passes)


def _seconds(passes: list[tuple[Any, Any]]) -> float:
    return sum(float(end - begin if isinstance(end, float) else begin.elapsed_time(end) / 1e3) for begin, end in passes)

"""Which ranks are slow, and what is measured of a rank."""

import time
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from launcher.errors import LauncherError
from launcher.storage.store import Store
from launcher.track.events import read_events
from launcher.train.desk import Seated
from launcher.train.hangs import Frame, Hung, Stuck
from launcher.train.outcome import Cause
from launcher.train.overseer import Overseer
from launcher.train.pace import Pace, PaceMeter, slow_ranks


def paces(*token_s: float, step: int = 50) -> dict[int, Pace]:
    return {rank: Pace(rank, f"host-{rank}", step, each) for rank, each in enumerate(token_s)}


def test_a_rank_is_slow_against_the_median_of_the_others() -> None:
    (slow,) = slow_ranks(paces(1.0, 1.1, 1.5, 0.9), 1.3)
    assert (slow.pace.rank, round(slow.factor, 3)) == (2, 1.5)
    assert slow_ranks(paces(1.0, 1.2), 1.3) == []
    assert slow_ranks(paces(3.0), 1.3) == []


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=9), st.floats(1.05, 3))
def test_the_fastest_is_never_slow_and_whoever_is_slower_than_a_slow_one_is_slow(
    token_s: list[float], factor: float
) -> None:
    slow = {each.pace.token_s for each in slow_ranks(paces(*token_s), factor)}
    assert min(token_s) not in slow
    assert slow == {each for each in token_s if slow and each >= min(slow)}


class Waits(nn.Module):
    """A model whose forward pass takes a given time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        return input_ids


def test_the_forward_pass_is_timed_by_the_token_and_only_in_training() -> None:
    model = Waits(0.02)
    meter = PaceMeter(model, torch.device("cpu"))
    for _ in range(3):
        model(input_ids=torch.zeros(2, 50))
        model(input_ids=torch.zeros(4, 25))
        model.eval()
        model(input_ids=torch.zeros(1, 10_000))
        model.train()
        meter.step()
    found = meter.take()
    assert found is not None
    assert 2e-4 <= found < 6e-4, "0.04 s for 200 tokens"
    assert meter.take() is None
    meter.close()
    model(input_ids=torch.zeros(2, 50))
    meter.step()
    assert meter.take() is None


def overseer(folder: Path, lines: list[str], world: int = 2) -> Overseer:
    return Overseer(Store.open(str(folder)), 3, world, 1.3, lines.append)


def test_a_slow_rank_is_named_once_and_again_after_it_was_as_fast_as_the_others(tmp_path: Path) -> None:
    lines: list[str] = []
    watching = overseer(tmp_path, lines)

    def say(*token_s: float) -> int:
        for each in paces(*token_s).values():
            watching.hear(each)
        return len(lines)

    assert [say(1.0, 2.0), say(1.0, 2.0), say(1.0, 2.0), say(1.0, 1.0), say(1.0, 2.0), say(1.0, 2.0)] == [
        0, 1, 1, 1, 1, 2,
    ]  # fmt: skip
    assert lines[0] == "slow      rank 1 on host-1 computes 2.00 times as long as its peers"
    events = list(read_events(Store.open(str(tmp_path))))
    assert [(each["kind"], each["attempt"], each["rank_slow"], each["factor"]) for each in events] == [
        ("slow-rank", 3, 1, 2.0)
    ] * 2


def test_a_stuck_step_is_told_once_all_had_time_to_speak_and_its_end_names_the_rank(tmp_path: Path) -> None:
    lines: list[str] = []
    watching = overseer(tmp_path, lines)
    waits = (Frame("/x/launcher/train/agree.py", 51, "collect"),)
    hung = Cause(Hung("step 7 had not ended"), "hung", rank=0, host="host-0", step=7)
    assert watching.cause(hung) is hung
    watching.hear(Seated(1, "host-1", "node"))
    watching.hear(Stuck(0, "host-0", 7, 61.0, 0.5, 0.0, waits))
    watching.look()
    assert lines == []
    watching._first -= 60  # as if time had passed
    watching.look()
    watching.look()
    assert lines == ["stuck     step 7 has taken 61 s (0.5 s as a rule): rank 1 on host-1 not heard of"]
    (event,) = read_events(Store.open(str(tmp_path)))
    assert (event["kind"], event["step"], event["silent"], event["busy"]) == ("stuck", 7, [1], [])
    blamed = watching.cause(hung)
    assert str(blamed.error) == "step 7 has taken 61 s (0.5 s as a rule): rank 1 on host-1 not heard of"
    assert (blamed.kind, blamed.rank, blamed.host, blamed.step) == ("hung", 1, "host-1", 7)
    other = Cause(LauncherError("else"), "other", rank=0)
    assert watching.cause(other) is other

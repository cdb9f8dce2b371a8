"""A thread that looks at the one that trains: real threads, real clocks, and a desk that keeps what it gets."""

import queue
import threading
from pathlib import Path
from typing import Any

from launcher.recipe.sentinel import Sentinel as Settings
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.cadence import Moment
from launcher.train.hangs import Stuck
from launcher.train.rank import Rank
from launcher.train.watchdog import FIRST_TIMES, Watchdog
from tests.train import ranks

SOON = Settings(stuck_after_s=0.2, stuck_multiple=2.0, hung_after_s=None)
LONGEST_S = 30.0


class Desk:
    """Its `post.remote` keeps messages."""

    def __init__(self) -> None:
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.post = self

    def remote(self, message: object) -> None:
        self.messages.put(message)


def rank_with(desk: Desk, settings: Settings, folder: Path) -> Rank:
    made = ranks.recipe(Training(), Ddp(kind="ddp")).model_copy(update={"sentinel": settings})
    known = ranks.rank_of(1, 2, made, 8, folder)
    return Rank(1, 2, known.seat, known.device, known.job, known.store, desk)  # type: ignore[arg-type]


def moment(step: int) -> Moment:
    return Moment(step, 100, last=False, epoch_ended=False)


def held_up(desk: Desk) -> Any:
    """The step that does not end, until the watchdog has said so."""
    return desk.messages.get(timeout=LONGEST_S)


def test_a_step_that_does_not_end_is_told_with_the_stack_of_the_thread_that_trains(tmp_path: Path) -> None:
    desk = Desk()
    with Watchdog(rank_with(desk, SOON, tmp_path), 10) as watchdog:
        after = watchdog.beside(lambda now: now.step == 13)
        assert [after(moment(step)) for step in (11, 12, 13)] == [False, False, True]
        told = held_up(desk)
    assert isinstance(told, Stuck)
    assert (told.rank, told.step) == (1, 14)
    assert told.seconds >= 0.2
    assert "held_up" in [frame.function for frame in told.stack]
    assert not told.waits
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())


def test_the_first_steps_have_longer(tmp_path: Path) -> None:
    desk = Desk()
    with Watchdog(rank_with(desk, SOON, tmp_path), 0):
        told = held_up(desk)
    assert (told.step, told.usual_s) == (1, 0.0)
    assert told.seconds >= 0.2 * FIRST_TIMES


def test_a_step_is_told_once(tmp_path: Path) -> None:
    desk = Desk()
    with Watchdog(rank_with(desk, SOON, tmp_path), 0) as watchdog:
        after = watchdog.beside(lambda now: False)
        for step in (1, 2, 3):
            after(moment(step))
        first = held_up(desk)
        with_it = threading.Event()
        threading.Timer(0.5, with_it.set).start()
        assert with_it.wait(LONGEST_S)
        assert desk.messages.empty()
        after(moment(4))
        second = held_up(desk)
    assert (first.step, second.step) == (4, 5)

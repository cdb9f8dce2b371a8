"""An interruption that one rank has heard of ends the loop between the same two steps on all ranks."""

from pathlib import Path

from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.agree import Agreement, Tally
from launcher.train.cadence import Moment
from launcher.train.feed import StepFeed
from launcher.train.loop import train
from launcher.train.noted import noted_step
from tests.train.ranks import examples, loop_of, on_ranks, rank_of, recipe, tiny_llama

STEPS = 8
LEFT = {0: 0, 1: 1, 4: 4}
"""By how often was asked before it was heard, the last step: at once there is nothing to keep."""
NOT_LEFT = (None, STEPS, STEPS + 1)
"""A notice that comes with the last step changes nothing."""


class Hearing:
    """Commits nothing; hears after so many of its steps that training has to end."""

    def __init__(self, after: int | None) -> None:
        self.after = after
        self.asked = 0
        self.left: tuple[int, int] | None = None
        self.saved: list[int] = []

    busy = False
    wished = False

    @property
    def called(self) -> bool:
        self.asked += 1
        return self.after is not None and self.asked > self.after

    def due(self, now: Moment, agreed: Tally) -> bool:
        return now.last

    def save(self, now: Moment, data: StepFeed) -> None:
        self.saved.append(now.step)

    def leave(self, after: tuple[Moment, StepFeed] | None, agreement: Agreement) -> None:
        number = 0 if after is None else after[0].step
        self.left = number, int(agreement.sum([number])[0])


def all_cases(rank: int, world: int, folder: str) -> list[tuple[list[int], object, list[int]]]:
    """Steps that were told, where the loop was left, and saves, of a run for each case."""
    found = []
    for after in (*LEFT, *NOT_LEFT):
        hearing = Hearing(after if rank == 0 else None)
        loop = loop_of(rank_of(rank, world, _recipe(), STEPS * 2, Path(folder)), tiny_llama(), examples(STEPS * 2))
        steps = [each.measured.step for each in train(loop, saving=hearing)]
        found.append((steps, hearing.left, hearing.saved))
    return found


def _recipe():
    training = Training(max_steps=STEPS, global_batch_size=2, per_device_train_batch_size=1, max_length=32)
    return recipe(training, Ddp(kind="ddp"))


def test_all_ranks_leave_after_the_same_step_with_every_record_told(tmp_path):
    for found in on_ranks(2, tmp_path, all_cases, str(tmp_path)):
        for last, (steps, left, saved) in zip(LEFT.values(), found, strict=False):
            assert steps == list(range(1, last + 1))
            assert left == (last, 2 * last)
            assert saved == []
        for steps, left, saved in found[len(LEFT) :]:
            assert (steps, left, saved) == (list(range(1, STEPS + 1)), None, [STEPS])


def failing(rank: int, world: int, folder: str) -> int | None:
    loop = loop_of(rank_of(rank, world, _recipe(), STEPS * 2, Path(folder)), tiny_llama(), examples(STEPS * 2))

    def fail(now: Moment) -> bool:
        if now.step == 3:
            raise ValueError("bad")
        return False

    try:
        for _ in train(loop, fail):
            pass
    except ValueError as error:
        return noted_step(error)
    return None


def test_an_exception_knows_the_step_that_it_came_up_in(tmp_path):
    assert on_ranks(1, tmp_path, failing, str(tmp_path)) == [3]

"""What each thing beside training costs a step: the launcher's loop alone, with one of them, and with all.

Same model and batches as `benchmarks.step`, full fine-tuning, one process, two threads. Every round runs all ways in
turn. Printed: the median over rounds of each way's median step, as a ratio to the loop alone in the same round, with
the smallest and largest; and calls of Python's functions in a step, which know no noise.

    .venv/bin/python -m benchmarks.features [--rounds 5] [--steps 30]
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from benchmarks.step import examples, training
from benchmarks.stepping.work import BATCH, WARM_UP, median_step, model, write_base
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import Ddp
from launcher.storage.store import Store
from launcher.track.events import EventLog
from launcher.track.tracks import Tracks, open_tracks
from launcher.train.loop import Loop, Record, train
from launcher.train.rank import Rank
from launcher.train.sentinel import Guard
from launcher.train.watchdog import Watchdog
from tests.train.ranks import loop_of, rank_of, recipe


class NeverDue:
    """What the ranks tell each other of saves and interruptions, without any."""

    busy = wished = called = False

    def due(self, *_: object) -> bool:
        return False

    def save(self, *_: object) -> None: ...

    def leave(self, *_: object) -> None: ...


@dataclass
class Beside:
    """What a way has beside the loop."""

    after_step: Callable[[Any], bool] = lambda now: False
    saving: Any = None
    look: Callable[[Record], None] = lambda record: None


Feature = Callable[[Beside, Rank, Loop, ExitStack], None]


def sentinel(beside: Beside, rank: Rank, loop: Loop, stack: ExitStack) -> None:
    guard = Guard(rank.job.recipe.sentinel, rank.job.recipe.training, loop.feed, None)
    also(beside, lambda record: guard.look(record.measured))


def watchdog(beside: Beside, rank: Rank, loop: Loop, stack: ExitStack) -> None:
    beside.after_step = stack.enter_context(Watchdog(rank, 0)).beside(beside.after_step)


def interruptions(beside: Beside, rank: Rank, loop: Loop, stack: ExitStack) -> None:
    beside.saving = NeverDue()


def events(beside: Beside, rank: Rank, loop: Loop, stack: ExitStack) -> None:
    track(beside, rank, stack, rank.job.recipe)


def tensorboard(beside: Beside, rank: Rank, loop: Loop, stack: ExitStack) -> None:
    tracking = rank.job.recipe.tracking.model_copy(update={"report_to": ["tensorboard"]})
    track(beside, rank, stack, rank.job.recipe.model_copy(update={"tracking": tracking}))


def track(beside: Beside, rank: Rank, stack: ExitStack, told: Recipe) -> None:
    """Every step is noted."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    store = Store.open(folder)
    tracks: Tracks = open_tracks(EventLog(store, 1, 0), store, told, resumed_step=None, past=(), tell=print)
    stack.callback(tracks.close, 0)
    also(beside, lambda record: tracks.emit("step", **asdict(record.measured)))


def also(beside: Beside, look: Callable[[Record], None]) -> None:
    before = beside.look

    def both(record: Record) -> None:
        before(record)
        look(record)

    beside.look = both


WAYS: dict[str, tuple[Feature, ...]] = {
    "loop alone": (),
    "sentinel": (sentinel,),
    "watchdog": (watchdog,),
    "interruptions": (interruptions,),
    "events": (events,),
    "TensorBoard": (tensorboard,),
    "all": (sentinel, watchdog, interruptions, tensorboard),
}


def stepped(way: str, steps: int, folder: Path) -> Iterator[float]:
    """The clock after each step, in seconds."""
    made, data = recipe(training(steps), Ddp(kind="ddp")), examples(folder)
    rank = rank_of(0, 1, made, len(data), folder)
    rank = replace(rank, store=Store.open(str(folder)))
    loop, beside = loop_of(rank, model("full", folder), data), Beside()
    with ExitStack() as stack:
        for feature in WAYS[way]:
            feature(beside, rank, loop, stack)
        for record in train(loop, beside.after_step, beside.saving):
            beside.look(record)
            yield time.perf_counter()


def calls(way: str, steps: int, folder: Path) -> int:
    """Calls of Python's functions in this thread, in the median step."""
    seen, count = [], 0

    def counting(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counting)
    try:
        for _ in stepped(way, steps, folder):
            seen.append(count)
    finally:
        sys.setprofile(None)
    return int(statistics.median(after - before for before, after in itertools.pairwise(seen[WARM_UP:])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_base(folder)
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
        for number in range(-1, chosen.rounds):  # the first round warms up and does not count
            for way in WAYS:
                seconds = median_step(stepped(way, chosen.steps, folder))
                found[way] += [seconds] if number >= 0 else []
        counted = {way: calls(way, 4 * BATCH, folder) for way in WAYS}
        distributed.destroy_process_group()
    print(f"{'way':<14} {'ms':>7} {'ratio':>6} {'min':>6} {'max':>6}   calls a step, {chosen.rounds} rounds")
    for way, taken in found.items():
        ratios = [one / alone for one, alone in zip(taken, found["loop alone"], strict=True)]
        told = " ".join(f"{number:>6.3f}" for number in (statistics.median(ratios), min(ratios), max(ratios)))
        more = counted[way] - counted["loop alone"]
        print(f"{way:<14} {1000 * statistics.median(taken):>7.1f} {told}   {counted['loop alone']:,} + {more:,}")


if __name__ == "__main__":
    main()

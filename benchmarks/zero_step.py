"""What the loop costs under ZeRO beside a bare DeepSpeed loop: the same model, batches and configuration, on 2 ranks.

A thread each. Every round runs both in turn, in processes of their own. Printed: the median over rounds of each one's
median step, and its ratio to the bare loop's in the same round, with the smallest and largest.

    .venv/bin/python -m benchmarks.zero_step [--stages 2 3] [--rounds 7] [--steps 30]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deepspeed
import torch
from transformers import get_scheduler

from benchmarks.step import examples, whole_loss
from benchmarks.stepping.work import BATCH, LEARNING_RATE, median_step, model, write_base
from launcher.model.zero import zero_config
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.training import Training
from launcher.train.engines.ops import choose_accelerator
from launcher.train.loop import train
from launcher.train.optimizer import make_optimizer
from tests.memory_set import MemorySet
from tests.packs import collate
from tests.train.ranks import loop_of, on_ranks, rank_of, recipe

WORLD = 2


@dataclass(frozen=True, slots=True)
class Asked:
    steps: int
    folder: Path
    strategy: DeepSpeed


Loop = Callable[[int, Asked], Iterator[float]]
"""For a rank, the clock after each step, in seconds."""


def training(steps: int) -> Training:
    return Training(
        max_steps=steps,
        per_device_train_batch_size=BATCH,
        global_batch_size=WORLD * BATCH,
        learning_rate=LEARNING_RATE,
    )


def bare(rank: int, asked: Asked) -> Iterator[float]:
    llama, settings, data = model("full", asked.folder), training(asked.steps), examples(asked.folder)
    optimizer = make_optimizer(llama, settings)
    scheduler = get_scheduler("linear", optimizer, 0, asked.steps)
    config = zero_config(asked.strategy, settings, torch.device("cpu"))
    engine: Any = deepspeed.initialize(model=llama, optimizer=optimizer, config=config, dist_init_required=False)[0]
    for step in MemorySet(data).order(settings, asked.steps, WORLD * BATCH):
        loss = whole_loss(engine, collate([data[row] for row in step[rank * BATCH : (rank + 1) * BATCH]], pad_id=0))
        engine.backward(loss)
        engine.step()
        scheduler.step()
        loss.item()
        yield time.perf_counter()


def ours(rank: int, asked: Asked) -> Iterator[float]:
    made, data = recipe(training(asked.steps), asked.strategy), examples(asked.folder)
    for _ in train(loop_of(rank_of(rank, WORLD, made, len(data), asked.folder), model("full", asked.folder), data)):
        yield time.perf_counter()


LOOPS: dict[str, Loop] = {"bare": bare, "launcher": ours}


def on_rank(rank: int, world: int, name: str, asked: Asked) -> float:
    choose_accelerator("cpu")
    return median_step(LOOPS[name](rank, asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=30)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_base(folder)
        print(f"{'stage':<6} {'loop':<9} {'ms':>7} {'ratio':>6} {'min':>6} {'max':>6}   {chosen.rounds} rounds")
        for stage in chosen.stages:
            asked = Asked(chosen.steps, folder, DeepSpeed(kind="deepspeed", zero_stage=stage))
            found: dict[str, list[float]] = {each: [] for each in LOOPS}
            for number in range(-1, chosen.rounds):  # the first round warms up and does not count
                for each in sorted(LOOPS, reverse=bool(number % 2)):
                    seconds = on_ranks(WORLD, folder / f"{stage}-{number}-{each}", on_rank, each, asked)
                    if number >= 0:
                        found[each].append(max(seconds))
            for each, taken in found.items():
                ratios = [one / bare_s for one, bare_s in zip(taken, found["bare"], strict=True)]
                numbers = (statistics.median(ratios), min(ratios), max(ratios))
                told = " ".join(f"{number:>6.3f}" for number in numbers)
                print(f"{stage:<6} {each:<9} {1000 * statistics.median(taken):>7.1f} {told}", flush=True)


if __name__ == "__main__":
    main()

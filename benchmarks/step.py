"""What the loop costs beside a bare PyTorch loop, Accelerate, Hugging Face's Trainer and TRL's SFTTrainer.

Same model and batches, for full fine-tuning, LoRA and NF4 QLoRA. Two threads; one process for all but TRL, which has
another environment, as `benchmarks.loader` tells, and is left out without it. Every round runs all of them in turn.
Printed: the median over rounds of each one's median step, as a ratio to the bare loop's in the same round, with the
smallest and largest ratio.

    .venv/bin/python -m benchmarks.step [--peers-python PEERS/bin/python] [--cases full lora nf4] [--rounds 5]
                                        [--words 2048] [--prompt 0]
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import distributed
from torch.nn import functional
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, get_scheduler

from benchmarks.stepping.work import (
    BATCH,
    CASES,
    LEARNING_RATE,
    TOKENS,
    WORDS,
    median_step,
    model,
    rows,
    write_base,
)
from launcher.data.encode import Example
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.loop import train
from launcher.train.optimizer import make_optimizer
from tests.memory_set import MemorySet
from tests.packs import collate
from tests.train.ranks import loop_of, rank_of, recipe

Times = Iterator[float]
"""The clock after each step, in seconds."""
Side = Callable[[str, int, Path], float]
"""Case, steps and a folder with the base to the median step, in seconds."""


def training(steps: int) -> Training:
    return Training(
        max_steps=steps,
        per_device_train_batch_size=BATCH,
        global_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
    )


def examples(folder: Path) -> list[Example]:
    return [Example(ids, labels, truncated=False) for ids, labels in rows(folder)]


def ordered(steps: int, folder: Path) -> list[Example]:
    """Rows in the order in which the loop takes them."""
    found = examples(folder)
    return [found[row] for step in MemorySet(found).order(training(steps), steps, BATCH) for row in step]


def whole_loss(llama: Any, batch: Any) -> torch.Tensor:
    logits = llama(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten().long())


def bare(case: str, steps: int, folder: Path) -> Times:
    llama, data = model(case, folder), ordered(steps, folder)
    optimizer = make_optimizer(llama, training(steps))
    scheduler = get_scheduler("linear", optimizer, 0, steps)
    for step in range(steps):
        loss = whole_loss(llama, collate(data[step * BATCH : (step + 1) * BATCH], pad_id=0))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(llama.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        loss.item()
        yield time.perf_counter()


def ours(case: str, steps: int, folder: Path) -> Times:
    made, data = recipe(training(steps), Ddp(kind="ddp")), examples(folder)
    for _ in train(loop_of(rank_of(0, 1, made, len(data), folder), model(case, folder), data)):
        yield time.perf_counter()


def accelerate(case: str, steps: int, folder: Path) -> Times:
    accelerator = Accelerator(cpu=True)
    llama, data = model(case, folder), ordered(steps, folder)
    optimizer = make_optimizer(llama, training(steps))
    scheduler = get_scheduler("linear", optimizer, 0, steps)
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, collate_fn=partial(collate, pad_id=0))
    prepared, optimizer, scheduler = accelerator.prepare(llama, optimizer, scheduler)
    for batch in loader:
        with accelerator.accumulate(prepared):
            loss = whole_loss(prepared, batch)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(prepared.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        loss.item()
        yield time.perf_counter()


class Clock(TrainerCallback):
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_: object, **__: object) -> None:
        self.times.append(time.perf_counter())


def trainer(case: str, steps: int, folder: Path) -> Times:
    clock = Clock()
    arguments = TrainingArguments(
        output_dir=str(folder / "trainer"), max_steps=steps, per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE, use_cpu=True, report_to=[], save_strategy="no", logging_steps=steps,
        remove_unused_columns=False, disable_tqdm=True,
    )  # fmt: skip

    def inputs(found: list[Example]) -> dict[str, torch.Tensor]:
        batch = collate(found, pad_id=0)
        return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "labels": batch.labels.long()}

    data = ordered(steps, folder)
    made = Trainer(model(case, folder), arguments, train_dataset=data, data_collator=inputs, callbacks=[clock])
    made.remove_callback(PrinterCallback)
    made.train()
    yield from clock.times


def trl(python: Path, case: str, steps: int, folder: Path) -> float:
    command = [str(python), "-m", "benchmarks.stepping.trl_step", case, str(steps), str(folder), str(folder / "trl")]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    told = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout
    (line,) = [line for line in told.splitlines() if line.startswith("median step")]
    return float(line.split()[-1])


def timed(loop: Callable[[str, int, Path], Times]) -> Side:
    return lambda case, steps, folder: median_step(loop(case, steps, folder))


def sides(peers_python: Path | None) -> dict[str, Side]:
    """The first is what the others are held against."""
    found = {
        "bare": timed(bare),
        "launcher": timed(ours),
        "Accelerate": timed(accelerate),
        "HF Trainer": timed(trainer),
    }
    return found if peers_python is None else {**found, "TRL": partial(trl, peers_python.absolute())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", type=Path, help="Python of TRL's environment")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--words", type=int, default=WORDS, help="size of the vocabulary")
    parser.add_argument("--prompt", type=int, default=0, help=f"tokens of a row's {TOKENS} that are masked")
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    loops = sides(chosen.peers_python)
    print(f"to the bare loop, {chosen.rounds} rounds")
    print(f"{'case':<5} {'loop':<11} {'ms':>7} {'ratio':>6} {'min':>6} {'max':>6}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_base(folder, chosen.words, chosen.prompt)
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
        for case in chosen.cases:
            found: dict[str, list[float]] = {each: [] for each in loops}
            for number in range(-1, chosen.rounds):  # the first round warms up and does not count
                order = list(loops)[number % len(loops) :] + list(loops)[: number % len(loops)]
                seconds = {each: loops[each](case, chosen.steps, folder) for each in order}
                for each in loops if number >= 0 else ():
                    found[each].append(seconds[each])
            for each, taken in found.items():
                ratios = [one / bare_s for one, bare_s in zip(taken, found["bare"], strict=True)]
                numbers = (statistics.median(ratios), min(ratios), max(ratios))
                told = " ".join(f"{number:>6.3f}" for number in numbers)
                print(f"{case:<5} {each:<11} {1000 * statistics.median(taken):>7.1f} {told}", flush=True)
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()

"""What the loop costs beside a bare PyTorch loop, Accelerate and Hugging Face's Trainer: the same model and batches.

One process, two threads; every round runs all of them in turn. Printed: the median over rounds of each one's median
step, as a ratio to the bare loop's in the same round, with the smallest and largest ratio.

    .venv/bin/python -m benchmarks.step [--rounds 5] [--steps 30]
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import distributed
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainerCallback, TrainingArguments, get_scheduler

from launcher.data.encode import Example
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.loop import train
from launcher.train.optimizer import make_optimizer
from tests.memory_set import MemorySet
from tests.packs import collate
from tests.train.ranks import loop_of, rank_of, recipe

BATCH, TOKENS, WARM_UP = 4, 256, 5
Times = Iterator[float]
"""The clock after each step, in seconds."""


def model() -> LlamaForCausalLM:
    """About five million weights."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 6, "num_attention_heads": 8}
    return LlamaForCausalLM(LlamaConfig(vocab_size=2048, use_cache=False, pad_token_id=0, **sizes)).train()


def training(steps: int) -> Training:
    return Training(max_steps=steps, per_device_train_batch_size=BATCH, global_batch_size=BATCH, learning_rate=1e-4)


def rows() -> list[Example]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 2048, (64, TOKENS), generator=generator).tolist()
    return [Example(row, row, truncated=False) for row in ids]


def ordered(steps: int) -> list[Example]:
    """Rows in the order in which the loop takes them."""
    examples = rows()
    return [examples[row] for step in MemorySet(examples).order(training(steps), steps, BATCH) for row in step]


def bare(steps: int, folder: Path) -> Times:
    llama, data = model(), ordered(steps)
    optimizer = make_optimizer(llama, training(steps))
    scheduler = get_scheduler("linear", optimizer, 0, steps)
    for step in range(steps):
        batch = collate(data[step * BATCH : (step + 1) * BATCH], pad_id=0)
        logits = llama(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten().long())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(llama.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        loss.item()
        yield time.perf_counter()


def ours(steps: int, folder: Path) -> Times:
    made = recipe(training(steps), Ddp(kind="ddp"))
    data = rows()
    for _ in train(loop_of(rank_of(0, 1, made, len(data), folder), model(), data)):
        yield time.perf_counter()


def accelerate(steps: int, folder: Path) -> Times:
    accelerator = Accelerator(cpu=True)
    llama, data = model(), ordered(steps)
    optimizer = make_optimizer(llama, training(steps))
    scheduler = get_scheduler("linear", optimizer, 0, steps)
    loader = torch.utils.data.DataLoader(data, batch_size=BATCH, collate_fn=lambda each: collate(each, pad_id=0))
    prepared, optimizer, scheduler = accelerator.prepare(llama, optimizer, scheduler)
    for batch in loader:
        with accelerator.accumulate(prepared):
            logits = prepared(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
            loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten().long())
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


def trainer(steps: int, folder: Path) -> Times:
    clock = Clock()
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=steps, per_device_train_batch_size=BATCH, learning_rate=1e-4, use_cpu=True,
        report_to=[], save_strategy="no", logging_steps=steps, remove_unused_columns=False, disable_tqdm=True,
    )  # fmt: skip

    def inputs(examples: list[Example]) -> dict[str, torch.Tensor]:
        batch = collate(examples, pad_id=0)
        return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, "labels": batch.labels.long()}

    Trainer(model(), arguments, train_dataset=ordered(steps), data_collator=inputs, callbacks=[clock]).train()
    yield from clock.times


LOOPS: dict[str, Callable[[int, Path], Times]] = {
    "bare": bare,
    "launcher": ours,
    "Accelerate": accelerate,
    "HF Trainer": trainer,
}


def median_step(loop: Callable[[int, Path], Times], steps: int, folder: Path) -> float:
    """Seconds of one step, without the first few."""
    times = list(loop(steps, folder))[WARM_UP:]
    return statistics.median(after - before for before, after in itertools.pairwise(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    chosen = parser.parse_args()
    torch.set_num_threads(2)
    ratios: dict[str, list[float]] = {name: [] for name in LOOPS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=0, world_size=1)
        for number in range(-1, chosen.rounds):  # the first round warms up and does not count
            names = list(LOOPS)[number % len(LOOPS) :] + list(LOOPS)[: number % len(LOOPS)]
            seconds = {each: median_step(LOOPS[each], chosen.steps, folder) for each in names}
            for each, ratio in ratios.items() if number >= 0 else ():
                ratio.append(seconds[each] / seconds["bare"])
        distributed.destroy_process_group()
    print(f"{'loop':<12} {'median':>7} {'min':>7} {'max':>7}   step / bare loop's step, {chosen.rounds} rounds")
    for each, found in ratios.items():
        print(f"{each:<12} {statistics.median(found):>7.3f} {min(found):>7.3f} {max(found):>7.3f}")


if __name__ == "__main__":
    main()

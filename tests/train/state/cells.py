"""Small real trainings under every strategy, that can be stopped, taken apart and put together again."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.checkpoint.fragment import Fragment, Slot
from launcher.model.adapt import TrainableModel
from launcher.model.scratch import make_tokenizer
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.recipe.method import Full, Lora, Method, QLora
from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from launcher.train.engines.build import build_engine
from launcher.train.engines.engine import Engine
from launcher.train.engines.ops import choose_accelerator
from launcher.train.optimizer import make_optimizer
from launcher.train.seeds import seed_micro_batch
from launcher.train.state.holdings import Counters
from launcher.train.state.state import counters, put_counters, put_state, take_state
from tests.train.ranks import recipe

ROWS, TOKENS, GLOBAL_BATCH, MICRO_BATCH = 96, 11, 12, 3
IGNORED = -100
DDP = Ddp(kind="ddp")
FULL, LORA, QLORA = Full(kind="full"), Lora(kind="lora", r=4), QLora(kind="qlora", r=4)
Whole = dict[Slot, torch.Tensor]


def zero(stage: int, *, threshold: int = 0, **offload: bool) -> DeepSpeed:
    """With a threshold of 0 ZeRO 3 partitions every parameter of a small model too."""
    return DeepSpeed(kind="deepspeed", zero_stage=stage, param_persistence_threshold=threshold, **offload)


def strategy_name(strategy: Strategy) -> str:
    return strategy.key + "-persistent" * bool(getattr(strategy, "param_persistence_threshold", 0))


@dataclass(frozen=True)
class Cell:
    method: Method
    strategy: Strategy
    precision: str = "fp32"
    optim: str = "adamw_torch_fused"
    dropout: float = 0.0

    def __str__(self) -> str:
        return f"{self.method.kind} {strategy_name(self.strategy)} {self.precision} {self.optim}"


@dataclass(frozen=True)
class Run:
    """One rank of a training."""

    model: TrainableModel
    engine: Engine
    optimizer: torch.optim.Optimizer


def make_base(folder: Path, hidden: int = 64) -> str:
    """A Llama with tied embeddings and grouped queries, and its tokenizer."""
    tokenizer = make_tokenizer(["a good day and a bad day"], vocab_size=262, max_length=64)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=176,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def start(cell: Cell, base: str) -> Run:
    """A training of a cell before its first step."""
    choose_accelerator("cpu")
    method = cell.method
    if cell.dropout:
        method = method.model_copy(update={"lora_dropout": cell.dropout})
    training = Training(
        precision=cell.precision, optim=cell.optim, learning_rate=2e-3, weight_decay=0.1, max_grad_norm=0.5
    )
    made = recipe(training, cell.strategy, method, base)
    tokenizer = load_tokenizer(Path(base), made.model)
    model = trainable_model(made, Path(base), tokenizer, torch.device("cpu"))
    model.train()
    optimizer = make_optimizer(model, training)
    return Run(model, build_engine(made, model, optimizer), optimizer)


def train(run: Run, steps: Iterable[int]) -> list[float]:
    """Take steps of 12 rows, whatever the number of ranks; their mean losses over all labels."""
    rank, world = distributed.get_rank(), distributed.get_world_size()
    (ids, labels), losses = _rows(), []
    for step in steps:
        for group in run.optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / 16)
        first = step * GLOBAL_BATCH % ROWS
        label_tokens = int((labels[first : first + GLOBAL_BATCH] != IGNORED).sum())
        mine = range(first + rank, first + GLOBAL_BATCH, world)
        micro = [mine[place : place + MICRO_BATCH] for place in range(0, len(mine), MICRO_BATCH)]
        loss = torch.zeros(())
        for number, numbers in enumerate(micro):
            seed_micro_batch(7, step, numbers[0], torch.device("cpu"))
            loss_of = partial(_loss, ids=ids[list(numbers)], labels=labels[list(numbers)], label_tokens=label_tokens)
            loss += run.engine.accumulate(loss_of, last=number == len(micro) - 1)
        run.engine.step()
        distributed.all_reduce(loss)
        losses.append(float(loss))
    return losses


def _rows() -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids (rows, tokens), and their labels of which prompts of different lengths are masked."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(4, 262, (ROWS, TOKENS), generator=generator)
    prompts = torch.randint(1, TOKENS - 2, (ROWS, 1), generator=generator)
    return ids, ids.masked_fill(torch.arange(TOKENS) < prompts, IGNORED)


def _loss(model: nn.Module, ids: torch.Tensor, labels: torch.Tensor, label_tokens: int) -> torch.Tensor:
    logits = model(input_ids=ids).logits.float()
    summed = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
    return summed / label_tokens


def taken(run: Run) -> list[list[Fragment]]:
    """What each rank would write."""
    mine = [
        Fragment(fragment.slot, fragment.offset, fragment.total, fragment.values.clone())
        for fragment in take_state(run.engine, run.model)
    ]
    every: list[list[Fragment]] = [[] for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(every, mine)
    return every


def whole(every: list[list[Fragment]]) -> Whole:
    """The ranks' fragments put together: each element is written exactly once."""
    states: Whole = {}
    written: Whole = {}
    for fragment in (fragment for rank in every for fragment in rank):
        if fragment.slot not in states:
            states[fragment.slot] = torch.empty(fragment.total, dtype=fragment.values.dtype)
            written[fragment.slot] = torch.zeros(fragment.total, dtype=torch.int)
        stretch = slice(fragment.offset, fragment.offset + len(fragment.values))
        states[fragment.slot][stretch] = fragment.values
        written[fragment.slot][stretch] += 1
    holes = {slot for slot, count in written.items() if not bool((count == 1).all())}
    assert not holes, f"not written exactly once: {holes}"
    return states


def resume(cell: Cell, base: str, states: Whole, counted: Counters) -> Run:
    """A new engine filled with states."""
    run = start(cell, base)
    put_state(run.engine, run.model, lambda slot, offset, length: states[slot][offset : offset + length])
    put_counters(run.engine, counted)
    return run


def saved(run: Run) -> tuple[Whole, Counters]:
    return whole(taken(run)), counters(run.engine)


def furthest(one: Whole, other: Whole) -> float:
    """The largest difference of two elements."""
    assert one.keys() == other.keys()
    return max(float((one[slot].double() - other[slot].double()).abs().max()) for slot in one)

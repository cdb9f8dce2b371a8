"""Ranks of a real process group, and a tiny Llama for them to train."""

import os
import pickle
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.checkpoint.contents import Origin
from launcher.data.encode import IGNORED, Example
from launcher.plan.batch import plan_batches
from launcher.plan.placement import Placement
from launcher.recipe.data import Data, Headlines, Split
from launcher.recipe.method import Full, Method
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import Strategy
from launcher.recipe.task import Instruction
from launcher.recipe.training import Training
from launcher.storage.store import Store
from launcher.train.assemble import make_loop
from launcher.train.job import CacheFolder, Job
from launcher.train.loop import Loop
from launcher.train.rank import Rank, Seat
from tests.memory_set import MemorySet

RankFunction = Callable[..., Any]


def on_ranks(world: int, folder: Path, function: RankFunction, *arguments: Any) -> list[Any]:
    """What `function(rank, world, *arguments)` returns on each rank of a gloo group of new processes."""
    folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")  # one process imports, and all ranks are forked from it
    context.set_forkserver_preload([__name__])
    results = context.SimpleQueue()
    told = pickle.dumps(arguments)  # multiprocessing would pass each tensor as a file descriptor, of 256 at the most
    processes = [
        context.Process(
            target=_enter, args=(results, str(folder / "meeting"), rank, world, function, told, dict(os.environ))
        )
        for rank in range(world)
    ]
    for process in processes:
        process.start()
    found = dict(results.get() for _ in processes)
    for process in processes:
        process.join()
    failures = [value for value in found.values() if isinstance(value, str)]
    assert not failures, "\n".join(failures)
    return [pickle.loads(found[rank]) for rank in range(world)]


def _enter(
    results: Any,
    meeting: str,
    rank: int,
    world: int,
    function: RankFunction,
    arguments: bytes,
    environment: dict[str, str],
) -> None:
    os.environ.clear()  # it is the one of the time when the first rank of all was forked
    os.environ.update(environment)
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = str(rank)
    try:
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
        results.put((rank, pickle.dumps(function(rank, world, *pickle.loads(arguments)))))
        distributed.destroy_process_group()
    except BaseException:
        results.put((rank, traceback.format_exc()))
        raise


def tiny_llama(dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    """Two layers, grouped-query attention, tied embeddings; the same weights each time."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=44,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        pad_token_id=0,
        use_cache=False,
    )
    return LlamaForCausalLM(config).to(dtype)


def examples(count: int) -> list[Example]:
    """Rows of different lengths with masked prompts of different lengths."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for row in range(count):
        length = 4 + row * 7 % 23
        ids = torch.randint(1, 97, (length,), generator=generator).tolist()
        prompt = 1 + row % 3
        made.append(Example(ids, [IGNORED] * prompt + ids[prompt:], truncated=False))
    return made


def recipe(training: Training, strategy: Strategy, method: Method | None = None, model: str = "/nowhere") -> Recipe:
    """A recipe whose data and task the loop does not look at."""
    return Recipe(
        name="tiny",
        model=Pretrained(kind="pretrained", name_or_path=model),
        method=method or Full(kind="full"),
        task=Instruction(kind="instruction", prompt="{text}", completion="{text}"),
        data=Data(
            train=Headlines(kind="headlines", rows_per_class=1, templates="seen", seed=0),
            split=Split(train_per_class=1, test_per_class=1),
        ),
        strategy=strategy,
        training=training,
    )


def rank_of(number: int, world: int, made: Recipe, rows: int, folder: Path) -> Rank:
    """A rank that trains `rows` rows by a recipe, and has nobody to tell."""
    job = Job(
        recipe=made,
        run_url=str(folder),
        attempt=1,
        nonce="nonce",
        base=made.model,
        training_sets=(),
        cache=CacheFolder(str(folder), 0),
        batches=plan_batches(made.training, world=world, documents=rows),
        placement=Placement(world, "cpu", 1),
        flops_per_token=None,
        origin=Origin("run", {}, "", {}, {}),
        failure_s=3600.0,
        resume=None,
    )
    return Rank(number, world, Seat(0, number, world), torch.device("cpu"), job, Store.open(str(folder)), desk=None)


def loop_of(rank: Rank, model: Any, rows: Sequence[Example], pad_id: int = 0) -> Loop:
    """The loop of a rank over some examples."""
    feed = MemorySet(rows).feed(rank.job.recipe.training, rank=rank.number, world=rank.world, pad_id=pad_id)
    return make_loop(rank, model, feed)

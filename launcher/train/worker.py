"""What each Ray Train worker runs: load, score the base, train, score again, store."""

import socket
import time
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import ray
import ray.train
import torch
from ray.train.torch import get_device
from torch import distributed

from launcher.errors import LauncherError
from launcher.model.adapt import TrainableModel, adapt
from launcher.model.fetch import fetch_model
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.storage.layout import rank_log
from launcher.storage.store import Store
from launcher.track.events import EventLog
from launcher.train.assemble import make_loop
from launcher.train.desk import Desk, Progress, RankFailure, Stage
from launcher.train.job import EncodedData, Job
from launcher.train.loop import train
from launcher.train.output import output_to
from launcher.train.rank import Rank
from launcher.train.results import Which, commit_model, score_once

if TYPE_CHECKING:
    from ray.actor import ActorHandle

PROGRESS_INTERVAL_S = 0.5


def work(config: dict[str, Any]) -> None:
    """Run one rank of an attempt; an exception is told at the desk before it is raised."""
    job: Job = config["job"]
    desk: ActorHandle[Desk] = config["desk"]
    context = ray.train.get_context()
    number, store = context.get_world_rank(), Store.open(job.run_url)
    with output_to(store, rank_log(job.attempt, number)):
        try:
            torch.set_num_threads(job.placement.threads)
            device = get_device() if job.placement.device == "cuda" else torch.device("cpu")
            assert isinstance(device, torch.device)
            rank = Rank(number, context.get_world_size(), device, job, store, desk)
            _run(rank, ray.get(config["data"]))
        except BaseException as error:
            traceback.print_exc()
            ray.get(desk.post.remote(_failure(number, error)))
            raise


def _failure(rank: int, error: BaseException) -> RankFailure:
    known = type(error) if isinstance(error, LauncherError) else None
    line = " ".join((str(error) if known else f"{type(error).__name__}: {error}").split())
    return RankFailure(rank, socket.gethostname(), line, known, traceback.format_exc())


def _run(rank: Rank, data: EncodedData) -> None:
    recipe = rank.job.recipe
    folder = fetch_model(rank.job.base)
    tokenizer = load_tokenizer(folder, recipe.model)
    pad_id = int(tokenizer.pad_token_id)
    model = adapt(load_model(recipe, folder, tokenizer, rank.device), recipe)
    _score(rank, "base", model, data, pad_id)
    started = time.monotonic()
    _train(rank, model, data, pad_id)
    rank.tell(Stage(f"trained {rank.job.batches.steps:,} steps in {time.monotonic() - started:.0f} s"))
    _score(rank, "tuned", model, data, pad_id)
    if rank.leads:
        commit_model(rank, model, tokenizer)
    distributed.barrier()


def _score(rank: Rank, which: Which, model: TrainableModel, data: EncodedData, pad_id: int) -> None:
    rank.tell(Stage(f"scoring the {which} model on {len(data.test):,} test rows"))
    score_once(rank, which, model, data.test, pad_id)


def _train(rank: Rank, model: TrainableModel, data: EncodedData, pad_id: int) -> None:
    loop = make_loop(rank, model, data.train, pad_id)
    events = EventLog(rank.store, rank.job.attempt, rank.number)
    told = time.monotonic()
    try:
        for record in train(loop):
            if not rank.leads:
                continue
            events.emit("step", **asdict(record))
            if time.monotonic() - told > PROGRESS_INTERVAL_S or record.step == loop.steps:
                rank.tell(Progress(record, loop.steps))
                told = time.monotonic()
    finally:
        events.flush()

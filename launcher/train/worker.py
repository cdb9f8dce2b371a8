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

from launcher.errors import LauncherError
from launcher.evaluate.judged import judged_metrics
from launcher.evaluate.scores import Scores
from launcher.model.adapt import TrainableModel
from launcher.model.fetch import fetch_model
from launcher.model.packing import use_varlen
from launcher.model.precision import PRECISIONS, check_precision
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.recipe.strategy import DeepSpeed
from launcher.storage.layout import rank_log
from launcher.storage.store import Store
from launcher.track.tracks import Tracks
from launcher.train.assemble import make_loop
from launcher.train.cadence import log_due
from launcher.train.desk import Desk, Progress, RankFailure, Seated, Stage
from launcher.train.engines.ops import choose_accelerator, use_built_ops
from launcher.train.job import Job, Judged, JudgedData
from launcher.train.loop import Loop, train
from launcher.train.milestones import Milestones
from launcher.train.noted import noted_step
from launcher.train.open_feed import open_feed
from launcher.train.output import output_to
from launcher.train.pacing import looking_on
from launcher.train.rank import Rank, Seat
from launcher.train.restoring import restore
from launcher.train.results import Which, commit_model, score_once
from launcher.train.saving import Saving, open_saving
from launcher.train.sentinel import Guard
from launcher.train.tracking import leading_tracks

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
            seat = Seat(context.get_node_rank(), context.get_local_rank(), context.get_local_world_size())
            rank = Rank(number, context.get_world_size(), seat, device, job, store, desk)
            desk.post.remote(Seated(number, socket.gethostname(), ray.get_runtime_context().get_node_id()))
            _run(rank, ray.get(config["data"]))
        except BaseException as error:
            traceback.print_exc()
            ray.get(desk.post.remote(_failure(number, error)))
            raise


def _failure(rank: int, error: BaseException) -> RankFailure:
    known = error if isinstance(error, LauncherError) else None
    line = " ".join(f"{type(error).__name__}: {error}".split())
    types = tuple(each.__name__ for each in type(error).__mro__)
    return RankFailure(rank, socket.gethostname(), line, known, traceback.format_exc(), types, noted_step(error))


def _run(rank: Rank, data: JudgedData) -> None:
    recipe = rank.job.recipe
    check_precision(recipe.training.precision, rank.device)
    if isinstance(recipe.strategy, DeepSpeed):
        choose_accelerator(rank.device.type)
        if rank.device.type == "cpu":
            use_built_ops()
    folder = fetch_model(rank.job.base)
    tokenizer = load_tokenizer(folder, recipe.model)
    pad_id = int(tokenizer.pad_token_id)
    model = trainable_model(recipe, folder, tokenizer, rank.device)
    if recipe.training.packing:
        use_varlen(model, rank.device, PRECISIONS[recipe.training.precision])
    with open_feed(rank, pad_id) as feed, leading_tracks(rank) as tracks:
        loop = make_loop(rank, model, feed)
        milestones = Milestones(rank, loop.engine, model, pad_id, data.validation)
        base = _score(rank, "base", model, data.test, pad_id)
        if rank.job.resume is not None:
            restore(rank, rank.job.resume, loop, milestones)
        loop.feed.pass_by(rank.job.left_out)
        step = loop.feed.step
        if rank.job.resume is None or not rank.job.resume.progress.last:
            with open_saving(rank, loop, milestones, tracks) as saving:
                step = _train(rank, loop, milestones, saving, tracks)
                if saving is not None and saving.left:  # an interruption: what is trained is kept, and is not the end
                    return
        milestones.finish()
        tuned = _score(rank, "tuned", model, data.test, pad_id)
        if tracks is not None:
            test = data.test
            of_base, of_tuned = (judged_metrics(test.rows, scores, test.truths) for scores in (base, tuned))
            tracks.emit("result", step, base=of_base, tuned=of_tuned)
        commit_model(rank, model, tokenizer, step)


def _score(rank: Rank, which: Which, model: TrainableModel, test: Judged, pad_id: int) -> Scores:
    """Score the test rows. Metrics are for the end: the first step need not wait for what they import."""
    rank.tell(Stage(f"scoring the {which} model on {len(test.rows):,} test rows"))
    return score_once(rank, which, model, test.rows, pad_id)


def _train(rank: Rank, loop: Loop, milestones: Milestones, saving: Saving | None, tracks: Tracks | None) -> int:
    """Train to the end; returns the steps that it took."""
    started = told = time.monotonic()
    training, step = rank.job.recipe.training, loop.feed.step
    guard = Guard(rank.job.recipe.sentinel, training, loop.feed, tracks)
    with looking_on(rank, loop.model, step, milestones.after) as after_step:
        for record in train(loop, after_step, saving):
            measured, moment = record.measured, record.moment
            step = moment.step
            if tracks is not None:
                if log_due(training, moment):
                    tracks.emit("step", **asdict(measured))
                if step in milestones.evaluations:
                    tracks.emit("evaluation", step, **milestones.evaluations[step])
                if time.monotonic() - told > PROGRESS_INTERVAL_S or moment.last:
                    rank.tell(Progress(measured, loop.steps, moment.last))
                    told = time.monotonic()
            guard.look(measured)
    rank.tell(Stage(f"trained to step {step:,} in {time.monotonic() - started:.0f} s"))
    if saving is not None:
        saving.finish()
    return step

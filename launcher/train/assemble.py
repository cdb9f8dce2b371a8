"""The loop of a rank, put together from its job."""

import torch

from launcher.model.adapt import TrainableModel
from launcher.model.head_loss import loss_in_head
from launcher.model.neftune import add_neftune
from launcher.plan.flops import peak_flops
from launcher.train.engines.build import build_engine
from launcher.train.feed import Feed
from launcher.train.loop import Loop
from launcher.train.optimizer import make_optimizer
from launcher.train.rank import Rank
from launcher.train.schedule import Schedule


def make_loop(rank: Rank, model: TrainableModel, feed: Feed) -> Loop:
    """Engine and schedule around a model that is loaded and adapted."""
    job, training = rank.job, rank.job.recipe.training
    if training.neftune_noise_alpha is not None:
        add_neftune(model, training.neftune_noise_alpha)
    loss_in_head(model)
    optimizer = make_optimizer(model, training)
    steps = job.batches.steps
    assert steps is not None, "packs are counted before workers start"
    return Loop(
        model=model,
        engine=build_engine(job.recipe, model, optimizer),
        schedule=Schedule(optimizer, training, steps),
        feed=feed,
        steps=steps,
        world=rank.world,
        seed=training.seed,
        device=rank.device,
        flops_per_token=job.flops_per_token,
        peak_flops=peak_flops(torch.cuda.get_device_name(rank.device)) if rank.device.type == "cuda" else None,
    )

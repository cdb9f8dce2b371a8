"""The loop of a rank, put together from its job."""

from collections.abc import Callable, Sequence

import torch

from launcher.data.encode import Example
from launcher.model.adapt import TrainableModel
from launcher.model.neftune import add_neftune
from launcher.plan.flops import peak_flops
from launcher.train.engines.build import build_engine
from launcher.train.feed import Feed
from launcher.train.loop import Loop
from launcher.train.optimizer import make_optimizer, make_scheduler
from launcher.train.rank import Rank


def make_loop(
    rank: Rank,
    model: TrainableModel,
    examples: Sequence[Example],
    pad_id: int,
    after_step: Callable[[int], bool] = lambda step: False,
) -> Loop:
    """Engine, schedule and feed around a model that is loaded and adapted; `after_step` is the loop's."""
    job, training = rank.job, rank.job.recipe.training
    if training.neftune_noise_alpha is not None:
        add_neftune(model, training.neftune_noise_alpha)
    optimizer = make_optimizer(model, training)
    return Loop(
        model=model,
        engine=build_engine(job.recipe, model, optimizer),
        scheduler=make_scheduler(optimizer, training, job.batches.steps),
        feed=Feed(
            examples,
            job.batches,
            seed=training.order_seed,
            rank=rank.number,
            world=rank.world,
            pad_id=pad_id,
            group_by_length=training.train_sampling_strategy == "group_by_length",
        ),
        steps=job.batches.steps,
        world=rank.world,
        seed=training.seed,
        device=rank.device,
        flops_per_token=job.flops_per_token,
        peak_flops=peak_flops(torch.cuda.get_device_name(rank.device)) if rank.device.type == "cuda" else None,
        after_step=after_step,
    )

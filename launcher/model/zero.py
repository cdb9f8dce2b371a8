"""DeepSpeed's configuration, and what ZeRO 3 changes about loading: weights are partitioned as they are read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch

from launcher.model.heap import memory_given_back
from launcher.model.precision import PRECISIONS
from launcher.recipe.method import QLora
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.training import Training

REDUCE_BUCKET = 500_000_000
"""Elements of gradients that are reduced at once, at the most: DeepSpeed's default."""


def zero_config(
    strategy: DeepSpeed, training: Training, device: torch.device, trained: int = REDUCE_BUCKET
) -> dict[str, Any]:
    """DeepSpeed's configuration of a strategy.

    Args:
        trained: Elements that are trained. A bucket that holds more would be memory for nothing: of adapters on 8
            billion weights 1.8 GB, as there are two of them where reduction overlaps with the backward pass.

    Batch sizes are the loop's own: here one micro-batch a step stands for any number, and losses come ready divided.
    Stage 0 in bf16 is torch's autocast over fp32 weights, as under DDP: DeepSpeed's own takes an optimiser step of
    its own when it is made. `round_robin_gradients` stays off: with it, fragments restored from a checkpoint land in
    the wrong place.
    """
    compute, on_gpu = PRECISIONS[training.precision], device.type == "cuda"
    autocast = strategy.zero_stage == 0 and compute == torch.bfloat16
    zero: dict[str, Any] = {
        "stage": strategy.zero_stage,
        "overlap_comm": on_gpu,
        "contiguous_gradients": True,
        "reduce_bucket_size": min(trained, REDUCE_BUCKET),
        "round_robin_gradients": False,
        "stage3_param_persistence_threshold": strategy.param_persistence_threshold,
    }
    for part in ("optimizer", "param"):
        if getattr(strategy, f"offload_{part}"):
            zero[f"offload_{part}"] = {"device": "cpu", "pin_memory": on_gpu}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": training.max_grad_norm or 0.0,
        "bf16": {"enabled": compute == torch.bfloat16 and not autocast},
        "fp16": {"enabled": compute == torch.float16},
        "torch_autocast": {"enabled": autocast, "dtype": "bfloat16"},
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "zero_allow_untested_optimizer": True,
        "steps_per_print": None,
        "wall_clock_breakdown": False,
    }


@contextmanager
def partitioned_loading(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Where the strategy is ZeRO 3, weights loaded in this context are partitioned over the ranks one by one.

    No rank holds the model whole. Rank 0 alone reads weights that stay as they are; weights to be quantised are read
    and quantised by every rank, as ranks agree on them anyway, and each keeps its share.
    """
    if not _partitions(recipe):
        yield
    elif isinstance(recipe.method, QLora):
        with memory_given_back(), _partitioned_as_quantised(recipe, device):
            yield
    else:
        with memory_given_back(), partition_aware(recipe, device):
            yield


def _partitions(recipe: Recipe) -> bool:
    return isinstance(recipe.strategy, DeepSpeed) and recipe.strategy.partitions_parameters


def _recipe_config(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    assert isinstance(recipe.strategy, DeepSpeed)
    return zero_config(recipe.strategy, recipe.training, device)


@contextmanager
def partition_aware(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Where the strategy is ZeRO 3, transformers and PEFT know in this context that they meet partitioned weights."""
    if not _partitions(recipe):
        yield
        return
    from transformers.integrations.deepspeed import HfDeepSpeedConfig, unset_hf_deepspeed_config

    # Transformers holds it weakly
    held = HfDeepSpeedConfig(_recipe_config(recipe, device))  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        unset_hf_deepspeed_config()  # type: ignore[no-untyped-call]
        del held


@contextmanager
def _partitioned_as_quantised(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Partition each weight as soon as transformers has quantised it; transformers itself leaves them whole."""
    import deepspeed
    from transformers.integrations.bitsandbytes import Bnb4bitQuantize

    partitioner = deepspeed.zero.Init(config_dict_or_path=_recipe_config(recipe, device))
    quantise = Bnb4bitQuantize.convert

    def convert(*arguments: Any, **options: Any) -> dict[str, torch.Tensor]:
        made = quantise(*arguments, **options)
        for weight in made.values():
            partitioner._convert_to_deepspeed_param(weight)
            weight.partition()  # type: ignore[attr-defined]
        return made

    with patch.object(Bnb4bitQuantize, "convert", convert):
        yield

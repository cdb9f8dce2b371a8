"""fp16: losses are scaled, and a step that overflows is left out on every rank."""

from pathlib import Path

import pytest
import torch

from launcher.errors import InvalidInput
from launcher.model.precision import check_precision
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.loop import train
from tests.train import ranks

WORLD, STEPS = 2, 12


def losses_and_rates(rank: int, world: int, folder: str, precision: str) -> tuple[list[float], list[float]]:
    training = Training(
        max_steps=STEPS,
        global_batch_size=8,
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        precision=precision,
        warmup_steps=4,
        lr_scheduler_type="constant_with_warmup",
    )
    made = ranks.rank_of(rank, world, ranks.recipe(training, Ddp(kind="ddp")), 40, Path(folder))
    records = list(train(ranks.loop_of(made, ranks.tiny_llama(), ranks.examples(40))))
    return [each.measured.loss for each in records], [each.measured.learning_rate for each in records]


def test_fp16_trains_like_fp32_and_the_schedule_waits_for_a_step_that_overflows(tmp_path: Path) -> None:
    whole, (half, other) = (
        ranks.on_ranks(WORLD, tmp_path / precision, losses_and_rates, str(tmp_path), precision)
        for precision in ("fp32", "fp16")
    )
    assert half == other
    losses, rates = half
    # A scale of 65,536 overflows at first: such a step changes neither weights nor schedule
    skipped = sum(rate == 0.0 for rate in rates) - 1
    assert skipped >= 0
    expected = whole[0][0]
    assert losses[skipped:] == pytest.approx(expected[: STEPS - skipped], abs=0.05)
    assert losses[-1] < losses[0] - 0.2


def test_a_device_that_does_not_compute_in_fp16_is_named() -> None:
    if torch.ops.mkldnn._is_mkldnn_fp16_supported():
        check_precision("fp16", torch.device("cpu"))
        return
    with pytest.raises(
        InvalidInput, match=r"^training.precision: this CPU does not compute in fp16; say bf16 or fp32$"
    ):
        check_precision("fp16", torch.device("cpu"))

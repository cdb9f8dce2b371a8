"""What the launcher takes from inside DeepSpeed is where it looks for it."""

from pathlib import Path

import pytest
import torch

from launcher.errors import LauncherError
from launcher.train.engines.ops import choose_accelerator
from launcher.train.state.moments import steps
from tests.train.ranks import on_ranks
from tests.train.state.cells import FULL, Cell, make_base, start, zero


def moved(rank: int, world: int, base: str) -> dict[str, list[str]]:
    """What is missing at each stage, and what is said where something is."""
    from launcher.train.state import deepspeed_internals as internals

    found = {}
    for stage in range(4):
        engine = start(Cell(FULL, zero(stage)), base).engine._engine
        found[f"stage {stage}"] = internals.missing(engine, stage)
    del engine.optimizer.grad_position
    for parameter in engine.module.parameters():
        del parameter.ds_tensor.ds_numel
    found["taken away"] = internals.missing(engine, 3)
    with pytest.raises(LauncherError) as refused:
        internals.check_internals(engine, 3)
    found["said"] = [str(refused.value)]
    return found


def test_every_internal_is_there_and_one_that_moved_is_named(tmp_path: Path) -> None:
    (found,) = on_ranks(1, tmp_path, moved, make_base(tmp_path / "base"))
    for stage in range(4):
        assert found[f"stage {stage}"] == []
    assert found["taken away"] == ["DeepSpeedZeroOptimizer_Stage3.grad_position", "Parameter.ds_tensor.ds_numel"]
    assert "has moved DeepSpeedZeroOptimizer_Stage3.grad_position, Parameter.ds_tensor.ds_numel" in found["said"][0]


class _Engine:
    """The part of DeepSpeed's engine that counts stand in, around an optimiser of fp16 that no CPU trains with."""

    def __init__(self, optimizer: object, module: torch.nn.Module) -> None:
        self.optimizer, self.module = optimizer, module
        self.global_steps = self.global_samples = self.micro_steps = self.skipped_steps = 3


def sixteen_bits(rank: int, world: int) -> None:
    """DeepSpeed's own classes of fp16, without an engine."""
    choose_accelerator("cpu")
    import deepspeed
    from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaleConfig
    from deepspeed.runtime.fp16.unfused_optimizer import FP16_UnfusedOptimizer

    from launcher.train.state import deepspeed_internals as internals

    deepspeed.init_distributed("gloo")
    layer = torch.nn.Linear(4, 4, bias=False).half()
    made = torch.optim.AdamW(layer.parameters(), lr=0.5, weight_decay=0.5)
    scale = LossScaleConfig(torch.float16, True, 1.0, {"init_scale": 64.0, "scale_window": 5, "min_scale": 1.0})
    engine = _Engine(FP16_UnfusedOptimizer(made, loss_scale_config=scale), layer)
    assert internals.missing(engine, 0) == []
    holdings = internals.zero_holdings(engine, 0)
    (master,) = holdings.masters.values()
    assert steps(made) == 1
    assert not torch.equal(master, layer.weight.float())
    internals.undo_first_step(engine, 0)
    assert steps(made) == 0
    assert torch.equal(master, layer.weight.float())
    master.data += 1.0
    holdings.spread()
    assert torch.equal(layer.weight, master.half())

    other = _Engine(type("Zero", (), {})(), layer)
    other.optimizer.loss_scaler = DynamicLossScaler(64.0, 5, 1.0, 2, False)
    for _ in range(7):
        engine.optimizer._update_scale(False)
        other.optimizer.loss_scaler.update_scale(False)
    engine.optimizer._update_scale(True)
    engine.optimizer._update_scale(False)
    read = internals.DeepSpeedCounts(engine).read()
    assert read["loss_scale"] == 64.0
    assert read["clean_steps"] == 1
    internals.DeepSpeedCounts(other).write(read)
    assert internals.DeepSpeedCounts(other).read() == {**read, "hysteresis": 2}
    scales = []
    for _ in range(6):
        engine.optimizer._update_scale(False)
        other.optimizer.loss_scaler.update_scale(False)
        scales.append((scale.cur_scale, other.optimizer.loss_scaler.cur_scale))
    assert all(one == another for one, another in scales)
    assert scales[-1][0] == 128.0


def test_fp16_scales_and_fp32_copies_are_read_and_put_back(tmp_path: Path) -> None:
    on_ranks(1, tmp_path, sixteen_bits)

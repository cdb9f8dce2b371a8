"""All that the launcher reads and calls of DeepSpeed 0.19.8 without DeepSpeed's promise; nothing else touches it.

`missing` names what another version has moved. Lines below are of `deepspeed/runtime/`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import distributed, nn

from launcher.errors import LauncherError
from launcher.train.state.holdings import Counters, Counts, Holdings, trained
from launcher.train.state.moments import set_steps
from launcher.train.state.partitioned import Partitioned, Place
from launcher.train.state.replicated import Replicated

ENGINE_COUNTS = ("global_steps", "global_samples", "micro_steps", "skipped_steps")
SCALER = ("cur_scale", "cur_iter", "last_overflow_iter")
STAGE_1_2 = ("optimizer", "single_partition_of_fp32_groups", "update_lp_params", "loss_scaler")
STAGE_1_2_PARAMETER = (
    "_hp_mapping.param_group_index",
    "_hp_mapping.hp_fragment_address.start",
    "_hp_mapping.hp_fragment_address.numel",
    "_hp_mapping.lp_fragment_address.start",
)
STAGE_3 = (
    "optimizer",
    "fp32_partitioned_groups_flat",
    "grad_position",
    "get_param_id",
    "dp_process_group",
    "loss_scaler",
    "_set_fp32_optimizer_param_groups",
    "_clear_fp32_optimizer_param_groups",
    "_reassign_or_swap_out_partitioned_parameters",
    "checkpoint_event_prologue",
    "checkpoint_event_epilogue",
)
STAGE_3_PARAMETER = ("ds_numel", "ds_tensor.ds_numel")
MASTER_COPIES = ("optimizer", "fp16_groups", "fp32_groups", "refresh_fp32_params", "loss_scale_config")


class Stage12:
    """`zero/stage_1_and_2.py`: each group is one flat weight, cut into as many parts as there are ranks."""

    def __init__(self, zero: Any) -> None:
        self._zero = zero
        self.optimizer: torch.optim.Optimizer = zero.optimizer

    def total(self, parameter: nn.Parameter) -> int:
        return parameter.numel()

    def place(self, parameter: nn.Parameter) -> Place | None:
        mapping = parameter._hp_mapping  # type: ignore[attr-defined]
        if mapping is None:
            return None
        in_flat, in_parameter = mapping.hp_fragment_address, mapping.lp_fragment_address
        flat = self._zero.single_partition_of_fp32_groups[mapping.param_group_index]
        return Place(flat, in_flat.start, in_parameter.start, in_flat.numel)

    def reached(self) -> nullcontext[None]:
        return nullcontext()

    def prepare(self) -> None:
        """Weights are whole on every rank, and written over when they are spread."""

    def spread(self) -> None:
        self._zero.update_lp_params()


class Stage3:
    """`zero/stage3.py`: each parameter is cut into equal parts, the last filled up; small ones are kept whole too."""

    def __init__(self, zero: Any) -> None:
        self._zero = zero
        self.optimizer: torch.optim.Optimizer = zero.optimizer

    def total(self, parameter: nn.Parameter) -> int:
        return int(parameter.ds_numel)  # type: ignore[attr-defined]

    def place(self, parameter: nn.Parameter) -> Place | None:
        share = int(parameter.ds_tensor.ds_numel)  # type: ignore[attr-defined]
        offset = share * distributed.get_rank(self._zero.dp_process_group)
        length = min(share, self.total(parameter) - offset)
        if length <= 0:
            return None
        group, start, _ = self._zero.grad_position[self._zero.get_param_id(parameter)]
        return Place(self._zero.fp32_partitioned_groups_flat[group], start, offset, length)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Its groups are empty but while DeepSpeed steps them one by one."""
        self._zero._set_fp32_optimizer_param_groups()
        try:
            yield
        finally:
            self._zero._clear_fp32_optimizer_param_groups()

    def prepare(self) -> None:
        self._zero.checkpoint_event_prologue()

    def spread(self) -> None:
        for group in range(len(self._zero.fp32_partitioned_groups_flat)):
            self._zero._reassign_or_swap_out_partitioned_parameters(group)
        self._zero.checkpoint_event_epilogue()  # gathers small parameters, which would stay stale


class DeepSpeedCounts:
    """The engine's counts, and in fp16 the scaler's: `fp16/loss_scaler.py`, at stage 0 `fp16/unfused_optimizer.py`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine

    def read(self) -> Counters:
        counters: Counters = {name: getattr(self._engine, name) for name in ENGINE_COUNTS}
        scaler = self._scaler()
        if scaler is not None:
            counters["loss_scale"] = scaler.cur_scale
            counters["clean_steps"] = scaler.cur_iter - scaler.last_overflow_iter - 1
            if hasattr(scaler, "cur_hysteresis"):
                counters["hysteresis"] = scaler.cur_hysteresis
        return counters

    def write(self, counters: Counters) -> None:
        for name in ENGINE_COUNTS:
            setattr(self._engine, name, counters.get(name, getattr(self._engine, name)))
        scaler = self._scaler()
        if scaler is not None and "loss_scale" in counters:
            scaler.cur_scale = counters["loss_scale"]
            scaler.cur_iter, scaler.last_overflow_iter = counters["clean_steps"], -1  # only their distance counts
            if hasattr(scaler, "cur_hysteresis"):
                scaler.cur_hysteresis = counters.get("hysteresis", scaler.cur_hysteresis)

    def _scaler(self) -> Any:
        zero = self._engine.optimizer
        scaler = getattr(zero, "loss_scale_config", None) or getattr(zero, "loss_scaler", None)
        return None if getattr(scaler, "last_overflow_iter", None) is None else scaler


def zero_holdings(engine: Any, stage: int) -> Holdings:
    """Where DeepSpeed's engine keeps what is trained."""
    counts: Counts = DeepSpeedCounts(engine)
    if stage:
        return Partitioned(Stage3(engine.optimizer) if stage == 3 else Stage12(engine.optimizer), counts)
    if not _has_master_copies(engine):
        return Replicated(engine.optimizer, counts)
    masters = {
        parameter: master
        for parameters, copies in zip(engine.optimizer.fp16_groups, engine.optimizer.fp32_groups, strict=True)
        for parameter, master in zip(parameters, copies, strict=True)
    }
    return Replicated(engine.optimizer.optimizer, counts, masters)


def undo_first_step(engine: Any, stage: int) -> None:
    """Stage 0 in fp16 takes a step as it is made, which decays its fp32 weights and is counted: make it undone."""
    if stage == 0 and _has_master_copies(engine):
        engine.optimizer.refresh_fp32_params()
        set_steps(engine.optimizer.optimizer, 0)


def leave_out_step(engine: Any) -> None:
    """Forget the gradients of a step that stage 0 would apply though they are not finite; counted as a skipped one."""
    engine.zero_grad()
    engine.global_steps += 1
    engine.global_samples += engine.train_batch_size()
    engine.micro_steps += 1
    engine.skipped_steps += 1


def _has_master_copies(engine: Any) -> bool:
    return hasattr(engine.optimizer, "fp32_groups")


def missing(engine: Any, stage: int) -> list[str]:
    """Dotted names that are not where this module looks for them."""
    zero, wanted = engine.optimizer, [(engine, name) for name in ENGINE_COUNTS]
    if stage:
        of_zero, of_parameter = (STAGE_3, STAGE_3_PARAMETER) if stage == 3 else (STAGE_1_2, STAGE_1_2_PARAMETER)
        parameters = [parameter for _, parameter in trained(engine.module)]
        held = next((each for each in parameters if getattr(each, "_hp_mapping", None)), parameters[0])
        wanted += [(zero, name) for name in of_zero] + [(held, name) for name in of_parameter]
    elif _has_master_copies(engine):
        wanted += [(zero, name) for name in MASTER_COPIES]
    return [f"{type(owner).__name__}.{name}" for owner, name in wanted if not _found(owner, name)]


def _found(owner: Any, name: str) -> bool:
    """None on the way stands for a parameter of which this rank steps nothing."""
    for part in name.split("."):
        if owner is None:
            return True
        if not hasattr(owner, part):
            return False
        owner = getattr(owner, part)
    return True


def check_internals(engine: Any, stage: int) -> None:
    """Raises LauncherError where this DeepSpeed has moved what checkpoints are taken from."""
    gone = missing(engine, stage)
    if gone:
        import deepspeed

        raise LauncherError(
            f"strategy: deepspeed {deepspeed.__version__} has moved {', '.join(gone)}, which checkpoints are taken "
            "from; install deepspeed 0.19.8, or use strategy.kind ddp"
        )

"""DeepSpeed ZeRO 1 and 2: ranks share optimiser states, and from stage 2 gradients."""

import deepspeed
import torch
from torch import distributed, nn

from launcher.train.engines.engine import LossOf, Update


class ZeroEngine:
    """A DeepSpeed engine whose accumulation boundary the caller sets, as steps may differ in micro-batches."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        stage: int,
        max_grad_norm: float | None,
        compute: torch.dtype = torch.float32,
    ) -> None:
        self._engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=optimizer,
            config=zero_config(stage, max_grad_norm, compute, on_gpu=next(model.parameters()).is_cuda),
            dist_init_required=False,
        )

    def accumulate(self, loss_of: LossOf, *, last: bool) -> torch.Tensor:
        self._engine.set_gradient_accumulation_boundary(last)
        loss = loss_of(self._engine)
        self._engine.backward(loss * distributed.get_world_size(), scale_wrt_gas=False)  # DeepSpeed averages
        if not last:
            self._engine.step()
        return loss.detach()

    def step(self) -> Update:
        self._engine.step()
        norm = self._engine.get_global_grad_norm()
        return Update(float(norm), applied=bool(self._engine.was_step_applied()))


def zero_config(stage: int, max_grad_norm: float | None, compute: torch.dtype, *, on_gpu: bool) -> dict[str, object]:
    """DeepSpeed's configuration.

    Batch sizes are the loop's own: here one micro-batch a step stands for any number, and losses come ready divided.
    `round_robin_gradients` stays off: with it, fragments restored from a checkpoint land in the wrong place.
    """
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": max_grad_norm or 0.0,
        "bf16": {"enabled": compute == torch.bfloat16},
        "zero_optimization": {
            "stage": stage,
            "overlap_comm": on_gpu,
            "contiguous_gradients": True,
            "round_robin_gradients": False,
        },
        "steps_per_print": None,
        "wall_clock_breakdown": False,
    }
